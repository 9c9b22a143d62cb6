"""The HTTP edge: the JSON twin of the services, myca's two paths, roots, CRLs, health and metrics."""
