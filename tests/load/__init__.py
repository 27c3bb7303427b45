"""`make bench`: what the bridge does per second and how long it takes, beside its peers, in one run on one machine.

Every number is from a run whose outcome was checked: what lost, refused or doubled an event is an error. The parts, of
which `make bench ARGS="hooks rows"` runs some:

    step        a keyed step with state, and the recovery of a wiped table, beside stock Faust and Quix Streams
    hooks       hooks accepted per second and their latency, beside bare aiohttp handlers
    rows        from a hook to its row and to its pattern's row, at half of the highest rate with a flat lag
    outbox      how long 10,000 hooks of an outage take to be replayed, on a broker that is stopped and started
    adapter     rows per second from a backlog, and the lag of a row at 500 events per second, beside a hand-written
                consumer with the same statement, writes row by row, COPY, and a Kafka Connect JDBC sink

Of the step: every contestant is a process of its own and does the same work: read the same topic, decode the same JSON
into the same msgspec Struct, and keep per key the number of events and a sum in RocksDB, with a changelog in Kafka
(`acks=all`). Each round runs all of them one after the other, so that noise of the machine meets all; medians over the
rounds count. The clock of a contestant is its own. It starts when the first event is handed to its code and stops when
the last one is durable: its changelog acknowledged, its value in RocksDB, its offset committed. Start of the process,
joining the group and leaving it are not in it. CPU time is that of the process, all threads, over the same span. The
slow ones get fewer events; a rate is a rate. Afterwards the changelog is recounted: its last values must add up to the
events sent. The bridge does more for its time than the others: its values carry watermarks, and its sends and commits
survive a kill at any moment. The others count twice after some kills, and stock Faust also loses events.

    workload            the event, the state, the step, and the topics full of events
    job                 what a contestant is told, and the stopwatch it reports with
    steps               the rounds of the step
    bridge_step         its contestants
    stock_faust
    quix
    plain_aiokafka
    deployment          a real worker process, and other servers
    posts               the lean HTTP client
    hooks               the rounds of the hooks, with bare_handler as the ceiling
    rows                the search for the highest rate, and the latencies
    outbox              the outage and the replay
    adapter             the rounds of the rows
    adapter_ways        its contestants, for a backlog and for following a topic
    adapter_job         those that are programs of ours
    adapter_lag         events at an even pace, and the lag of their rows
    adapter_events      what they read
    connect             Kafka Connect with its JDBC sink
    connect_jars        fetched, and checked against connect.sha256, when the part runs for the first time
    broker              topics: made, filled, copied, recounted
    contest             runs a contestant and reads its report
    report              medians, ratios and the Markdown
"""
