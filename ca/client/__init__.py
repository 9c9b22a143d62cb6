"""The authority as its clients see it: typed calls over gRPC, values of ours in and out.

- `certificates`, `administration` and `enrollment` hold the calls; `connection` the channel, `identity` who calls.
- Generated code is known to `conversion` and to those modules alone; nothing that they return is a message.
- Importing this package imports nothing heavy.
"""
