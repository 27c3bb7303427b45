"""The laboratory: workers on the delivery layer alone, the faults they suffer, and the oracle that recounts the source.

    app          what every lab worker is made of; the variables it reads
    counting     a worker that counts, and derives one event per event
    timing       a worker that sets alarms, which ticks ring
    stock        the counting worker as stock Faust has it: the control
    kill_points  end the process between two phases of a step
    reading      a worker that reads envelopes as the bridge's agents do
    stuck        one partition that waits
    worker       start, stop, kill and freeze worker processes
    cluster      what the broker says: ends, committed offsets, members
    load         seeded events
    oracle       recount the source topics, compare everything with it
    services     Kafka, PostgreSQL and Consul that one test may stop, kill and pause
    tcp_proxy    the network in front of a server: slow, narrow, torn, silent, cut
    waiting      wait for a condition, with a deadline
    marks        the mark of the long variants
    laboratory   one experiment: a prefix, a folder, a seed, its workers

The oracle and the load import nothing of the bridge.
"""
