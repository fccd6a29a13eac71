"""Alembic's folder: `env.py` runs the steps in `versions/`. `seatrial.site.db.migrating` starts it.

A new step: change `tables.py`, copy the newest file in `versions/` under the next number, set `revision` and
`down_revision`, and write `upgrade` and `downgrade`. The tests hold the steps and `tables.py` to the same shape, and
run them up and down on both databases. A step spells out what it makes: it must still do the same when `tables.py` has
moved on.
"""
