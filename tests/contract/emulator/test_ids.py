"""Record ids: the checksum of real orgs, and numbers that come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salesforce_emulator import ids


@pytest.mark.parametrize(
    "record_id",
    ["00D1a000000H3O9EAK", "0051a000000UGT8AAO", "0031a000005hwVQAAY", "001Da00000xnAkBIAU", "00Q9H00000C6pycUAB"],
)
def test_the_checksum_is_that_of_real_ids(record_id: str):
    """Ids recorded from real orgs carry the checksum that we compute."""
    assert ids.normalise(record_id[:15]) == record_id


@given(st.integers(0, 62**9 - 1))
def test_a_number_comes_back_from_its_id(number: int):
    """The row number in an id can be read again, from both lengths."""
    made = ids.make("00Q", number)
    assert ids.number(made) == ids.number(made[:15]) == number


@given(st.integers(0, 62**9 - 2))
def test_ids_sort_as_their_numbers(number: int):
    """A later row has a greater id."""
    assert ids.make("00Q", number) < ids.make("00Q", number + 1)


@pytest.mark.parametrize(
    "text", ["", "abc", "00Q5i000000000", "00Q5i0000000001EA", "00Q5i000000000é", "00Q5i00000000-1"]
)
def test_other_text_is_no_id(text: str):
    """Only 15 or 18 letters and digits are an id."""
    assert ids.normalise(text) is None
