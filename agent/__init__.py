"""What runs beside a service: renewing its certificate, publishing the files, telling it to reload."""
