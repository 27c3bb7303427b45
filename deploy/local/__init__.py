"""The local stack: Kafka, PostgreSQL and Consul, real ones, and the workers, for `make run` and `make test`.

Everything here uses the standard library alone until a server is really started, so that `python -m deploy.local`
answers in a bare environment. The concept page is docs/local-stack.md.
"""
