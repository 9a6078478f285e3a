"""The catalogue of errors of the DDS API: each code's number, HTTP status and meaning.

Source: OTC DDS API reference, "Error codes"; a few stand only in Huawei's pages or clients. Raising
an error names an entry of this module. Clients retry a call (both Terraform providers: 400 or 403
with one of these codes) where `retried` says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorCode:
    """One entry: `code` as it stands in an answer's `error_code`."""

    code: str
    status: int
    meaning: str
    retried: bool = False


# Requests
BAD_PARAMETER = ErrorCode("DBS.200001", 400, "a parameter or the URL is wrong")
NOT_LEGAL_HERE = ErrorCode("DBS.200004", 400, "the operation is not possible here")
INTERNAL = ErrorCode("DBS.280005", 500, "an internal failure; try again")
RESOURCE_NOT_FOUND = ErrorCode("DBS.280016", 400, "the resource does not exist")
REFUSED_IN_STATE = ErrorCode("DBS.280042", 403, "the present state forbids the request")
VALUE_TOO_LONG = ErrorCode("DBS.280271", 400, "a value is too long")
NOT_SUPPORTED = ErrorCode("DBS.280343", 400, "this instance or node does not support the operation")
LIMIT_INVALID = ErrorCode("DBS.280439", 400, "limit is wrong")
OFFSET_INVALID = ErrorCode("DBS.280440", 400, "offset is wrong")
TAG_QUERY_INVALID = ErrorCode("DBS.280441", 400, "a tag's key in a query is wrong")

# Callers and projects
PROJECT_MISMATCH = ErrorCode("DBS.200604", 403, "the resource belongs to another project")
NO_ROLE = ErrorCode("DBS.280032", 403, "the caller has no permission")
NO_PERMISSION = ErrorCode("DBS.280063", 403, "the caller lacks the permission named")
PROJECT_ID_INVALID = ErrorCode("DBS.280408", 400, "the project id is wrong")
ENTERPRISE_PROJECT_INVALID = ErrorCode("DBS.280433", 403, "the enterprise project id is wrong")

# Instances and nodes that do not exist
INSTANCE_NOT_FOUND = ErrorCode("DBS.200002", 404, "the instance does not exist")
NODE_NOT_FOUND = ErrorCode("DBS.200013", 404, "the node or group does not exist")
NODE_ID_INVALID = ErrorCode("DBS.280407", 400, "the node id is malformed or unknown")
INSTANCE_NUMBER_INVALID = ErrorCode("DBS.280280", 400, "the number of instances is wrong")
JOB_OF_DELETED_INSTANCE = ErrorCode("DBS.200543", 400, "the instance of the job was deleted")

# States
STATUS_FORBIDS = ErrorCode("DBS.200011", 403, "the instance's status forbids the operation")
BUSY = ErrorCode("DBS.200019", 403, "another operation is running", retried=True)
ROLE_FORBIDS = ErrorCode("DBS.200075", 400, "the node's role does not fit")

# Region, zone, network
REGION_INVALID = ErrorCode("DBS.200024", 400, "the region is not available")
ZONE_INVALID = ErrorCode("DBS.280244", 400, "the availability zone is missing or unknown")
VPC_INVALID = ErrorCode("DBS.280247", 400, "the VPC is wrong")
SUBNET_INVALID = ErrorCode("DBS.280248", 400, "the subnet is wrong")
SECURITY_GROUP_INVALID = ErrorCode("DBS.280249", 400, "the security group is wrong")
ADDRESS_INVALID = ErrorCode("DBS.200091", 400, "the IP address is wrong")
ADDRESS_TAKEN = ErrorCode("DBS.200092", 400, "the IP address is taken")
PORT_INVALID = ErrorCode("DBS.200059", 400, "the port is missing or wrong")
PORT_OUT_OF_RANGE = ErrorCode("DBS.200060", 400, "the port is out of range")
PORT_UNCHANGED = ErrorCode("DBS.200462", 400, "the port is the present one")
PUBLIC_ADDRESS_NOT_BINDABLE = ErrorCode("DBS.200700", 400, "the public address cannot be bound")
PUBLIC_ADDRESS_NOT_BOUND = ErrorCode("DBS.200701", 400, "the public address cannot be unbound")
GATEWAY_NOT_BOUND = ErrorCode("DBS.200602", 400, "no public gateway is bound to the node")
NODE_HAS_PUBLIC_ADDRESS = ErrorCode("DBS.200702", 400, "the node has a public address already")
PUBLIC_ADDRESS_INVALID = ErrorCode("DBS.280421", 400, "the public address is wrong")
SSL_OPTION_INVALID = ErrorCode("DBS.239011", 400, "ssl_option is missing or wrong")

# Datastore, flavor, volume, mode
DATASTORE_NOT_FOUND = ErrorCode("DBS.200042", 404, "the database type is not offered")
ENGINE_NAME_INVALID = ErrorCode("DBS.201020", 400, "the database type is not supported")
STORAGE_ENGINE_INVALID = ErrorCode("DBS.280122", 400, "the storage engine does not fit")
DATASTORE_TYPE_INVALID = ErrorCode("DBS.280235", 400, "the database type is wrong")
VERSION_INVALID = ErrorCode("DBS.280236", 400, "the database version is wrong")
DATASTORE_MISSING = ErrorCode("DBS.280446", 400, "the datastore is missing")
FLAVOR_INVALID = ErrorCode("DBS.280239", 400, "the spec code is wrong, or not in this zone")
FLAVOR_MISMATCH = ErrorCode("DBS.280267", 400, "the flavor does not match the instance")
CLASS_NOT_AVAILABLE = ErrorCode("DBS.280445", 400, "the instance class is not available")
NODE_NUMBER_INVALID = ErrorCode("DBS.280123", 400, "the number of nodes is out of range")
NODE_TYPE_MISMATCH = ErrorCode("DBS.280327", 400, "the node types do not match the mode")
MODE_INVALID = ErrorCode("DBS.280342", 400, "the mode is wrong, or not that of the instance")
GROUP_TYPE_INVALID = ErrorCode("DBS.280414", 400, "the group type is wrong")
SERVER_GROUP_INVALID = ErrorCode("DBS.280469", 400, "the server group policy is wrong")
SIZE_NO_MULTIPLE = ErrorCode("DBS.200302", 400, "the size is not a multiple of 10")
SCALE_UPS_EXCEEDED = ErrorCode("DBS.200304", 400, "the volume was enlarged too often")
SIZE_INVALID = ErrorCode("DBS.200306", 400, "the volume's size is wrong")
STORAGE_TYPE_INVALID = ErrorCode("DBS.280241", 400, "the storage type is wrong")
SIZE_OUT_OF_RANGE = ErrorCode("DBS.280242", 400, "the volume's size is out of range")
ENCRYPTION_KEY_INVALID = ErrorCode("DBS.280438", 400, "the encryption key's id is wrong")
CHARGE_MODE_INVALID = ErrorCode("DBS.280365", 400, "the payment mode is wrong")

# Names, passwords, tags
INSTANCE_NAME_INVALID = ErrorCode("DBS.280234", 400, "the instance's name is wrong")
CREDENTIALS_INVALID = ErrorCode("DBS.200029", 400, "the user name or password is wrong")
PASSWORD_INVALID = ErrorCode("DBS.200052", 400, "the password is wrong")
PASSWORD_WEAK = ErrorCode("DBS.200068", 400, "the password is weak")
PASSWORD_NOT_CHANGED = ErrorCode("DBS.200077", 400, "the password could not be changed")
PASSWORD_CHARACTERS = ErrorCode("DBS.280200", 400, "the password has forbidden characters")
USER_NAME_INVALID = ErrorCode("DBS.280292", 400, "the database user's name is wrong")
DATABASE_NAME_INVALID = ErrorCode("DBS.239020", 400, "the database's name is wrong")
TAG_KEY_INVALID = ErrorCode("DBS.280482", 400, "a tag's key is wrong")
TAG_VALUE_INVALID = ErrorCode("DBS.280483", 400, "a tag's value is wrong")
TOO_MANY_TAGS = ErrorCode("DBS.280484", 400, "there are more than 20 tags")

# Database users and roles
USER_NOT_CREATED = ErrorCode("DBS.200816", 400, "the database user could not be created")
USERS_NOT_LISTED = ErrorCode("DBS.200817", 400, "the database users could not be listed")
USER_NOT_DELETED = ErrorCode("DBS.200818", 400, "the database user could not be deleted")
USER_NOT_FOUND = ErrorCode("DBS.200824", 400, "the database user does not exist")
USER_EXISTS = ErrorCode("DBS.200827", 400, "the database user exists already")
BUILT_IN_USER = ErrorCode("DBS.200828", 400, "a built-in user cannot be changed")
ROLE_NOT_CREATED = ErrorCode("DBS.239014", 400, "the role could not be created")
ROLES_NOT_LISTED = ErrorCode("DBS.239015", 400, "the roles could not be listed")
ROLE_INVALID = ErrorCode("DBS.239016", 400, "the role is wrong")
ROLE_EXISTS = ErrorCode("DBS.239017", 400, "the role exists already")
ROLE_NOT_FOUND = ErrorCode("DBS.239018", 400, "the role does not exist")
ROLE_OF_ANOTHER_DATABASE = ErrorCode(
    "DBS.239021", 400, "a role outside admin inherits from its own database only"
)
BUILT_IN_ROLE = ErrorCode("DBS.239022", 400, "a built-in role is not allowed here")
ROLE_NOT_DELETED = ErrorCode("DBS.239029", 400, "the role could not be deleted")

# Sessions
SESSION_ID_INVALID = ErrorCode("DBS.301071", 400, "a session's id is wrong")
PLAN_SUMMARY_INVALID = ErrorCode("DBS.301072", 400, "plan_summary is wrong")
OPERATION_TYPE_INVALID = ErrorCode("DBS.301073", 400, "the type of operations is wrong")
NAMESPACE_INVALID = ErrorCode("DBS.301074", 400, "the namespace is wrong")
COST_TIME_INVALID = ErrorCode("DBS.301075", 400, "cost_time is wrong")
SESSIONS_NOT_LISTED = ErrorCode("DBS.301076", 400, "the sessions could not be listed")
SESSION_NOT_KILLED = ErrorCode("DBS.301077", 400, "the session could not be killed")

# Backups
KEEP_DAYS_INVALID = ErrorCode("DBS.280214", 400, "keep_days is wrong")
PERIOD_INVALID = ErrorCode("DBS.280215", 400, "period is wrong")
START_TIME_INVALID = ErrorCode("DBS.280216", 400, "start_time is wrong")
BACKUP_STORAGE_FAILED = ErrorCode("DBS.201509", 500, "the storage of backups does not serve them")
BACKUP_EXISTS = ErrorCode("DBS.201201", 400, "there is a backup of this name")
BACKUP_STATE_FORBIDS = ErrorCode("DBS.201202", 400, "the backup's state forbids it")
BACKUP_NOT_FOUND = ErrorCode("DBS.201214", 400, "the backup does not exist")
BACKUP_IN_USE = ErrorCode("DBS.201319", 400, "the backup is being restored")
BACKUP_DESCRIPTION_INVALID = ErrorCode("DBS.280127", 400, "the backup's description is wrong")
BACKUP_NAME_INVALID = ErrorCode("DBS.280277", 400, "the backup's name is wrong")
TIME_INVALID = ErrorCode("DBS.280409", 400, "the date or time is wrong")
END_TIME_INVALID = ErrorCode("DBS.280416", 400, "the end time is missing or wrong")

# Parameters
CONFIGURATION_NOT_FOUND = ErrorCode("DBS.200057", 400, "the parameter template does not exist")
PARAMETER_NOT_FOUND = ErrorCode("DBS.212013", 400, "there is no such parameter")
PARAMETER_INVALID = ErrorCode("DBS.212017", 400, "a parameter's value is wrong")
CONFIGURATION_DESCRIPTION_INVALID = ErrorCode(
    "DBS.212028", 400, "the parameter template's description is wrong"
)
CONFIGURATION_NAME_TAKEN = ErrorCode(
    "DBS.212030", 400, "there is a parameter template of this name"
)
CONFIGURATION_NAME_INVALID = ErrorCode("DBS.212031", 400, "the parameter template's name is wrong")
CONFIGURATION_IN_USE = ErrorCode("DBS.212032", 400, "the parameter template is applied to nodes")
ENTITY_NOT_FOUND = ErrorCode("DBS.216031", 400, "the instance, group or node does not exist")

# Balancer
BALANCER_ACTION_INVALID = ErrorCode("DBS.239031", 400, "the balancer action is wrong")
BALANCER_WINDOW_INVALID = ErrorCode("DBS.239032", 400, "the balancer window is wrong")

# Logs
LOG_TYPE_INVALID = ErrorCode("DBS.280066", 400, "the type of log lines is wrong")
LOG_START_INVALID = ErrorCode("DBS.280067", 400, "the start time of log lines is missing or wrong")
LOG_END_INVALID = ErrorCode("DBS.280068", 400, "the end time of log lines is missing or wrong")
FILE_NAME_INVALID = ErrorCode("DBS.280361", 400, "the file's name is wrong")

# The gateway in front of the service
NO_SUCH_API = ErrorCode("APIGW.0101", 404, "the API does not exist or has not been published")
BAD_REQUEST = ErrorCode("APIGW.0201", 400, "the request cannot be read")
NOT_AUTHENTICATED = ErrorCode("APIGW.0301", 401, "the credentials are wrong")
THROTTLED = ErrorCode("APIGW.0308", 429, "too many requests")

#: All entries by their code.
CATALOGUE = {entry.code: entry for entry in globals().copy().values() if type(entry) is ErrorCode}
