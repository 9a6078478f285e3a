"""Plain data and rules: instances, groups, nodes, jobs, topology planning, validation.

No I/O and no imports of other packages of ours (but `errors`): everything here is a frozen
dataclass, an enumeration or a pure function, tested in tables without a process.
"""
