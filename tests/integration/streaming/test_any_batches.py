"""Whatever record batches a producer sends: all are read, in bounded memory."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from streaming_pipeline.record_batch_format import MAX_RECORD_BYTES
from tests.integration.streaming.conftest import Pipeline

CODECS = ["gzip", "snappy", "lz4", "zstd"]
#: Bytes in one record that still fit into Kafka's 1 MB once compressed (snappy: to a twentieth).
BOMBS = {"gzip": 200_000_000, "snappy": 12_000_000, "lz4": 150_000_000, "zstd": 300_000_000}
PEAK_MB = 200


class RawName(str):
    """A header's name that is sent as bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def producer_with(pipeline: Pipeline, **settings: Any) -> "closing[KafkaProducer]":
    return closing(KafkaProducer(bootstrap_servers=pipeline.kafka, **settings))


def test_a_header_name_that_is_not_utf_8_does_not_matter(pipeline: Pipeline) -> None:
    headers = [(RawName("x"), b"y")]
    pipeline.producer.send(pipeline.topic, pipeline.reading(0), partition=0, headers=headers)
    pipeline.send(pipeline.reading(1))
    pipeline.validate()
    assert pipeline.rows('SELECT "offset" FROM sensor_readings WHERE topic = %s ORDER BY 1') == [
        (0,),
        (1,),
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(pipeline: Pipeline, codec: str) -> None:
    with producer_with(pipeline, compression_type=codec, linger_ms=50) as producer:
        for number in range(100):
            producer.send(pipeline.topic, pipeline.reading(number), partition=0)
    pipeline.validate()
    assert pipeline.ledger() == (100, 100, 0)


@pytest.mark.parametrize("codec", CODECS)
def test_a_bomb_is_quarantined_and_takes_no_memory(pipeline: Pipeline, codec: str) -> None:
    size = BOMBS[codec]
    with producer_with(pipeline, compression_type=codec, max_request_size=2 * size) as producer:
        producer.send(pipeline.topic, bytes(size), partition=0).get(timeout=60)
    pipeline.send(pipeline.reading(1))
    pipeline.producer.flush()
    validator = pipeline.start_validator()
    pipeline.wait_until_read(2)
    status = Path(f"/proc/{validator.pid}/status").read_text()
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])

    [(issues, raw)] = pipeline.rows("SELECT issues, raw FROM sensor_readings_invalid")
    assert "too_large" in issues
    assert size > MAX_RECORD_BYTES > len(raw) > 1000
    assert pipeline.rows('SELECT "offset" FROM sensor_readings WHERE topic = %s') == [(1,)]
    assert peak_kb < PEAK_MB * 1000


def test_aborted_and_open_transactions_are_not_read(pipeline: Pipeline) -> None:
    with producer_with(pipeline, transactional_id=pipeline.topic) as producer:
        producer.init_transactions()
        for number, end in enumerate([producer.commit_transaction, producer.abort_transaction] * 2):
            producer.begin_transaction()
            producer.send(pipeline.topic, pipeline.reading(number), partition=0)
            producer.flush()
            end()
        producer.begin_transaction()
        producer.send(pipeline.topic, pipeline.reading(9), partition=0)
        producer.flush()
        pipeline.validate()
        where = 'SELECT "offset" FROM sensor_readings WHERE topic = %s ORDER BY 1'
        assert pipeline.rows(where) == [(0,), (4,)]
        producer.commit_transaction()
    pipeline.validate()
    assert pipeline.rows(where) == [(0,), (4,), (8,)]
    assert pipeline.ledger() == (3, 3, 0)
