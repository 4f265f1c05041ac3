"""Many marginals of one dataset in one charge, and what may be made of their noisy counts afterwards.

`parse` makes a Workload, `price` says what it costs from public inputs alone, `execute` runs it. Each marginal is
a plan of `privacy.query`, which bounds, measures and adds the noise; this room only splits the loss among them.
"""
