"""The statistics page as the library haproxy-stats reads it."""
import sys

from haproxystats import HAProxyServer

server = HAProxyServer(sys.argv[1])
print("failed:", server.failed)
for backend in server.backends:
    print(backend.name, backend.status, backend.stot, [listener.name for listener in backend.listeners])
