"""The statistics of a fair comparison. numpy and scipy only, no I/O; every figure knows its n, method and interval."""
