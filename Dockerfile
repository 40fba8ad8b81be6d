# One image for every Airflow component, the emulator and the mail catcher; nothing is installed when it starts.
FROM python:3.11-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN pip install --no-cache-dir uv
WORKDIR /opt/leadsync
COPY pyproject.toml uv.lock README.md LICENSE ./
# The dependencies first: they change less often than the code.
RUN uv sync --frozen --all-extras --no-dev --no-install-project
COPY src ./src
RUN uv sync --frozen --all-extras --no-dev --no-editable

FROM python:3.11-slim-bookworm
RUN useradd --uid 50000 --gid 0 --home-dir /opt/airflow --no-create-home airflow \
    # A named volume takes over owner and mode of the folder that it covers.
    && install --directory --owner airflow --group 0 --mode 770 \
        /opt/airflow /opt/airflow/logs /opt/airflow/secrets /opt/airflow/staging /var/lib/salesforce /var/lib/mails
COPY --from=build /opt/leadsync/.venv /opt/leadsync/.venv
COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY config /opt/airflow/config
COPY include /opt/airflow/include
ENV PATH=/opt/leadsync/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    LEADSYNC_MAPPINGS_DIR=/opt/airflow/include/mappings
WORKDIR /opt/airflow
USER airflow
CMD ["airflow", "version"]
