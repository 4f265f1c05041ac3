"""The second grade of mock: differentially private rows that a dataset's owners pay for, once, for everybody."""
