"""The folder in which the stages of one run hand their frames on: Parquet and JSON on any object storage.

Every task can be cleared and rerun alone, now or tomorrow, because a stage reads nothing but this folder and the
state tables. Names carry the run and the frame, never a lead's data.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from airflow.sdk import ObjectStoragePath


_PREFIX = "run="
"""Begins the name of a run's folder: what else lies below the setting is somebody else's."""


class Staging:
    """One run's folder below the setting `LEADSYNC_STAGING`."""

    def __init__(self, base: str, run_id: str) -> None:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - slow import, needed only where frames are staged

        self._base = ObjectStoragePath(base if "://" in base else Path(base).resolve().as_uri())
        self.folder: ObjectStoragePath = self._base / (_PREFIX + re.sub(r"[^A-Za-z0-9_.-]", "_", run_id))

    def write_json(self, name: str, value: Any) -> None:
        """Write `name`.json."""
        self._write(f"{name}.json", orjson.dumps(value))

    def read_json(self, name: str) -> Any:
        """Read `name`.json.

        Raises:
            FileNotFoundError: the stage that writes it has not run.
        """
        with (self.folder / f"{name}.json").open("rb") as file:
            return orjson.loads(file.read())

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write `name`.parquet."""
        import pyarrow as pa  # noqa: PLC0415 - an idle cycle stages no frame
        import pyarrow.parquet as pq  # noqa: PLC0415

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="lz4")
        self._write(f"{name}.parquet", sink.getvalue().to_pybytes())

    def write_frame(self, name: str, frame: pd.DataFrame) -> None:
        """Write a frame as `name`.parquet, without its index."""
        import pyarrow as pa  # noqa: PLC0415

        self.write_table(name, pa.Table.from_pandas(frame, preserve_index=False))

    def read_frame(self, name: str) -> pd.DataFrame:
        """Read `name`.parquet; text columns are pandas `str`."""
        import pyarrow.parquet as pq  # noqa: PLC0415

        with (self.folder / f"{name}.parquet").open("rb") as file:
            frame: pd.DataFrame = pq.read_table(file).to_pandas()
        return frame

    def _write(self, name: str, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("wb") as file:
            file.write(data)

    def local(self, name: str) -> Path | None:
        """Return a folder beside the frames for files that a person opens; None on remote storage."""
        return Path(self.folder.path) / name if self.folder.protocol in ("file", "local") else None

    def drop_older_than(self, days: int, *, now: float) -> int:
        """Delete the folders of runs that staged nothing for `days` days; return how many.

        Args:
            days: the setting `LEADSYNC_STAGING_DAYS`.
            now: seconds since 1970.
        """
        if self.folder.protocol not in ("file", "local") or not self._base.exists():
            return 0
        ours = [f for f in self._base.iterdir() if f.is_dir() and f.name.startswith(_PREFIX)]
        old = [f for f in ours if now - f.stat().st_mtime > days * 86_400]
        for folder in old:
            folder.rmdir(recursive=True)
        return len(old)
