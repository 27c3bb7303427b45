"""A key goes to the partition that the Java client gives it."""

import pytest
from aiokafka.partitioner import murmur2

from bridge_app.runtime.producer import partition_of

#: org.apache.kafka.common.utils.UtilsTest.testMurmur2
JAVA_HASHES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", JAVA_HASHES)
@pytest.mark.parametrize("partitions", [1, 3, 8, 1000])
def test_a_key_goes_to_the_partition_that_the_java_client_gives_it(key: bytes, partitions: int) -> None:
    assert murmur2(key) & 0xFFFFFFFF == JAVA_HASHES[key] & 0xFFFFFFFF
    assert partition_of(key, partitions) == (JAVA_HASHES[key] & 0x7FFFFFFF) % partitions
