"""What stands between a request and the site: headers, cookies, origins, throttles."""
