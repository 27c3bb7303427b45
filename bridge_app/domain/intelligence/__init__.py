"""Patterns in what services report (intelligence.md).

Read in this order:

    observations    stage 1: an event becomes observations, keyed by series or scope; `keyed` has what they share,
                    `lifecycle_observations`, `execution_observations`, `proxied_observations` are the kinds of events
    detectors       stage 2: which detector keeps the state of which key
    start_*         `service_initialization`: each start, at once and once more when it is confirmed or has failed
    cohort_*        `startup_performance`: the services that started in about the same time
    grouping        which services form such a group
    metric          what is usual for one metric, spikes and drifts
    watch           metrics of a series: `performance_anomaly`, `performance_trend` (reports in `anomaly_report`,
                    `trend_report`)
    failures        how often calls fail; `failure_watch`, `restart_watch`: `failure_pattern` (`failure_report`)
    execution_*, link_*, sequence_*
                    the detectors of tool executions and proxied calls
    episode         one problem is one pattern
    feedback        somebody dismisses a pattern
    reports         a pattern becomes an event
    seen            an observation is applied once
    measures        the formulas
    patterns        the view of patterns that every worker answers from
    queries         what a client may ask of it
    immediate       the first word on a hook, before the agents have theirs
"""
