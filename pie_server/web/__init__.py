"""HTTP and WebSocket access: the quart-trio app, guarded serving, and the session protocol.

Everything a client can do to a socket is contained here; sessions know nothing of connections.
"""

from pie_server.web.app import InferletInfo as InferletInfo
from pie_server.web.app import Services as Services
from pie_server.web.app import create_app as create_app
from pie_server.web.limits import WebLimits as WebLimits
from pie_server.web.serving import serve as serve
