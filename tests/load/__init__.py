"""`make bench`: a worker of the bridge beside stock Faust, Quix Streams and plain aiokafka, in one run on one machine.

Every contestant is a process of its own and does the same work: read the same topic, decode the same JSON into the same
msgspec Struct, and keep per key the number of events and a sum in RocksDB, with a changelog in Kafka (`acks=all`). Each
round runs all of them one after the other, so that noise of the machine meets all; medians over the rounds count.

The clock of a contestant is its own. It starts when the first event is handed to its code and stops when the last one
is durable: its changelog acknowledged, its value in RocksDB, its offset committed. Start of the process, joining the
group and leaving it are not in it. CPU time is that of the process, all threads, over the same span. The slow ones get
fewer events; a rate is a rate. Afterwards the changelog is recounted: its last values must add up to the events sent.

The bridge does more for its time than the others: its values carry watermarks, and its sends and commits survive a kill
at any moment. The others count twice after some kills, and stock Faust also loses events.

    workload            the event, the state, the step, and the topics full of events
    job                 what a contestant is told, and the stopwatch it reports with
    bridge_step         the contestants
    stock_faust
    quix
    plain_aiokafka
    broker              topics: made, filled, copied, recounted
    contest             runs a contestant and reads its report
    report              medians, ratios and the Markdown
"""
