"""The tables. Workflows add theirs on the same `Base`; plug-ins prefix their tables `x_`."""

from daemons.models.base import (
    JOB_ID_CHARACTERS,
    JOB_TYPE_CHARACTERS,
    NAME_CHARACTERS,
    STATUS_CHARACTERS,
    Base,
    Json,
    Serial,
    UtcDateTime,
)
from daemons.models.daemons import (
    DaemonErrorTable,
    DaemonHistoryTable,
    DaemonTable,
    FailureMarkTable,
    LeaseTable,
    ManagerTable,
    MetricTable,
    StatusTable,
)
from daemons.models.jobs import (
    JobAttemptTable,
    JobCountTable,
    JobRefusalTable,
    JobTable,
    LogTable,
    OperationItemTable,
    OperationTable,
    ViewTable,
)
from daemons.models.notices import (
    DeliveryTable,
    IncidentTable,
    NoticeTargetTable,
)
from daemons.models.people import (
    AuditTable,
    MilestoneTable,
    SessionTable,
    SigninCodeTable,
    TokenTable,
    UserTable,
)
from daemons.models.questions import QuestionTable
from daemons.models.schedules import (
    ScheduleRunTable,
    ScheduleTable,
)

__all__ = [
    "JOB_ID_CHARACTERS",
    "JOB_TYPE_CHARACTERS",
    "NAME_CHARACTERS",
    "STATUS_CHARACTERS",
    "AuditTable",
    "Base",
    "DaemonErrorTable",
    "DaemonHistoryTable",
    "DaemonTable",
    "DeliveryTable",
    "FailureMarkTable",
    "IncidentTable",
    "JobAttemptTable",
    "JobCountTable",
    "JobRefusalTable",
    "JobTable",
    "Json",
    "LeaseTable",
    "LogTable",
    "ManagerTable",
    "MetricTable",
    "MilestoneTable",
    "NoticeTargetTable",
    "OperationItemTable",
    "OperationTable",
    "QuestionTable",
    "ScheduleRunTable",
    "ScheduleTable",
    "Serial",
    "SessionTable",
    "SigninCodeTable",
    "StatusTable",
    "TokenTable",
    "UserTable",
    "UtcDateTime",
    "ViewTable",
]
