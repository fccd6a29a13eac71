"""What answers under each path. A module here gives the routes of one family; `app` serves them."""
