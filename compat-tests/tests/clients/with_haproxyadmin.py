"""What administrators do with the library haproxyadmin, with what it reports after each step."""
import sys

from haproxyadmin import haproxy

proxy = haproxy.HAProxy(socket_file=sys.argv[1])
print("backends:", sorted(backend.name for backend in proxy.backends()))
print("requests:", proxy.frontend("web").requests)
server = proxy.server("s1", backend="be")[0]
print("weight:", server.weight)
server.setweight(5)
print("weight:", server.weight)
server.setstate("disable")
print("status:", server.status)
server.setstate("enable")
print("status:", server.status.split()[0])
frontend = proxy.frontend("web")
frontend.disable()
print("frontend:", frontend.status)
frontend.enable()
print("frontend:", frontend.status)
frontend.setmaxconn(50)
print("maxconn:", frontend.maxconn)
print("total:", proxy.totalrequests > 0)
