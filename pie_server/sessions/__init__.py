"""Sessions: one client's conversation with one running inferlet, durable from its first event.

`SessionHub` owns all sessions, `Session` one of them, `EventLog` its events in memory, and
`Journal` everything on disk. Knows nothing of sockets and nothing of what an inferlet does.
"""

from pie_server.sessions.event_log import EventLog as EventLog
from pie_server.sessions.event_log import EventRecord as EventRecord
from pie_server.sessions.event_log import Follower as Follower
from pie_server.sessions.hub import HubStatistics as HubStatistics
from pie_server.sessions.hub import SessionHub as SessionHub
from pie_server.sessions.journal import Journal as Journal
from pie_server.sessions.journal import JournalStatistics as JournalStatistics
from pie_server.sessions.limits import JournalLimits as JournalLimits
from pie_server.sessions.limits import SessionLimits as SessionLimits
from pie_server.sessions.ports import Launcher as Launcher
from pie_server.sessions.session import Session as Session
