#include "s3-error.h"

#include "../cloud/cloud-error.h"

#include <string.h>

#define THROTTLE_MS 1000

typedef struct
{
  const char *name; /* of the store's code; NULL in the table of statuses */
  guint status;
  TeesqlError code;
  const char *reason;
  const char *hint; /* "" for none */
} Meaning;

#define HINT_REGION "region is not where the bucket is"
#define HINT_BUCKET "bucket names none that the store at endpoint knows"
#define HINT_KEY    "the store does not know access-key-id; was it made for this endpoint?"
#define HINT_SIGNED "secret-access-key does not belong to access-key-id, or region or endpoint is not what the store thinks it is"
#define HINT_DENIED "whom access-key-id stands for may not do this to bucket"
#define HINT_CLOCK  "the clock of this machine and the store's differ by more than 15 minutes; set the clock"
#define HINT_TOKEN  "session-token belongs to credentials that have ended; credentials = web-identity or metadata renews them"
#define HINT_SPACE  "the quota of bucket or the store is full"

static const Meaning codes[] = {
  { "AccessDenied", 0, TEESQL_ERROR_PERMISSION, "s3-access-denied", HINT_DENIED },
  { "AllAccessDisabled", 0, TEESQL_ERROR_PERMISSION, "s3-access-denied", HINT_DENIED },
  { "AuthorizationHeaderMalformed", 0, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { "BadDigest", 0, TEESQL_ERROR_INTEGRITY, "s3-checksum", "" },
  { "EntityTooLarge", 0, TEESQL_ERROR_NO_SPACE, "s3-too-large", "" },
  { "EntityTooSmall", 0, TEESQL_ERROR_FAILED, "s3-parts", "" },
  { "ExpiredToken", 0, TEESQL_ERROR_PERMISSION, "s3-token", HINT_TOKEN },
  { "IllegalLocationConstraintException", 0, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { "InsufficientCapacity", 0, TEESQL_ERROR_NO_SPACE, "s3-no-space", HINT_SPACE },
  { "InternalError", 0, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" },
  { "InvalidAccessKeyId", 0, TEESQL_ERROR_PERMISSION, "s3-access-key", HINT_KEY },
  { "InvalidDigest", 0, TEESQL_ERROR_INTEGRITY, "s3-checksum", "" },
  { "InvalidObjectState", 0, TEESQL_ERROR_FAILED, "s3-archived",
    "the object must be brought back from the archive first; see storage-class" },
  { "InvalidPart", 0, TEESQL_ERROR_FAILED, "s3-parts", "" },
  { "InvalidPartOrder", 0, TEESQL_ERROR_FAILED, "s3-parts", "" },
  { "InvalidRange", 0, TEESQL_ERROR_FAILED, "range", "" },
  { "InvalidRegionName", 0, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { "InvalidStorageClass", 0, TEESQL_ERROR_CONFIG, "s3-storage-class", "the store does not have this storage-class" },
  { "InvalidToken", 0, TEESQL_ERROR_PERMISSION, "s3-token", HINT_TOKEN },
  { "NoSuchBucket", 0, TEESQL_ERROR_CONFIG, "s3-no-such-bucket", HINT_BUCKET },
  { "NoSuchKey", 0, TEESQL_ERROR_NOT_FOUND, "no-such-object", "" },
  { "NoSuchUpload", 0, TEESQL_ERROR_NOT_FOUND, "s3-no-such-upload", "" },
  { "NotImplemented", 0, TEESQL_ERROR_UNSUPPORTED, "s3-not-implemented",
    "the store has not all of S3: try conditional-put = none, checksum = md5, no storage-class, no server-side-encryption" },
  { "OperationAborted", 0, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" },
  { "PermanentRedirect", 0, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { "PreconditionFailed", 0, TEESQL_ERROR_EXISTS, "object-exists", "" },
  { "QuotaExceeded", 0, TEESQL_ERROR_NO_SPACE, "s3-no-space", HINT_SPACE },
  { "RequestLimitExceeded", 0, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { "RequestTimeTooSkewed", 0, TEESQL_ERROR_PERMISSION, "s3-clock", HINT_CLOCK },
  { "RequestTimeout", 0, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" },
  { "ServiceUnavailable", 0, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { "SignatureDoesNotMatch", 0, TEESQL_ERROR_PERMISSION, "s3-signature", HINT_SIGNED },
  { "SlowDown", 0, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { "TemporaryRedirect", 0, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { "Throttling", 0, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { "ThrottlingException", 0, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { "TokenRefreshRequired", 0, TEESQL_ERROR_PERMISSION, "s3-token", HINT_TOKEN },
  { "XAmzContentSHA256Mismatch", 0, TEESQL_ERROR_INTEGRITY, "s3-checksum", "" },
};

static const Meaning statuses[] = {
  { NULL, 301, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { NULL, 302, TEESQL_ERROR_CONFIG, "s3-redirect", "the store sends us elsewhere, which is not followed; see endpoint" },
  { NULL, 303, TEESQL_ERROR_CONFIG, "s3-redirect", "the store sends us elsewhere, which is not followed; see endpoint" },
  { NULL, 307, TEESQL_ERROR_CONFIG, "s3-region", HINT_REGION },
  { NULL, 308, TEESQL_ERROR_CONFIG, "s3-redirect", "the store sends us elsewhere, which is not followed; see endpoint" },
  { NULL, 400, TEESQL_ERROR_FAILED, "s3-request", "" },
  { NULL, 401, TEESQL_ERROR_PERMISSION, "s3-access-denied", "the store refuses access-key-id or its secret-access-key" },
  { NULL, 403, TEESQL_ERROR_PERMISSION, "s3-access-denied",
    "access-key-id and secret-access-key are wrong, or may not do this to bucket, or the clock of this machine is wrong" },
  { NULL, 404, TEESQL_ERROR_NOT_FOUND, "no-such-object", "" },
  { NULL, 408, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" },
  { NULL, 409, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" },
  { NULL, 412, TEESQL_ERROR_EXISTS, "object-exists", "" },
  { NULL, 413, TEESQL_ERROR_NO_SPACE, "s3-too-large", "" },
  { NULL, 416, TEESQL_ERROR_FAILED, "range", "" },
  { NULL, 429, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { NULL, 501, TEESQL_ERROR_UNSUPPORTED, "s3-not-implemented",
    "the store has not all of S3: try conditional-put = none, checksum = md5, no storage-class, no server-side-encryption" },
  { NULL, 503, TEESQL_ERROR_THROTTLED, "s3-throttled", "" },
  { NULL, 507, TEESQL_ERROR_NO_SPACE, "s3-no-space", HINT_SPACE },
};

static const Meaning expired = { NULL, 0, TEESQL_ERROR_UNAVAILABLE, "s3-token", "" };
static const Meaning exists = { NULL, 0, TEESQL_ERROR_EXISTS, "object-exists", "" };
static const Meaning server = { NULL, 0, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", "" };
static const Meaning strange = { NULL, 0, TEESQL_ERROR_MALFORMED, "s3-status", "is there an S3 store at endpoint?" };
/* without a word of S3: of something else that speaks HTTP, or to HEAD */
static const Meaning bare = { NULL, 400, TEESQL_ERROR_FAILED, "s3-request",
                              "endpoint may be no S3 store's, or one that wants https; or it is region, or the clock of this machine" };
static const Meaning kms = { NULL, 0, TEESQL_ERROR_PERMISSION, "s3-kms",
                             "whom access-key-id stands for may not use the key of server-side-encryption" };

static const Meaning *
meaning_of_code (const char *code)
{
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    if (strcmp (codes[i].name, code) == 0)
      return &codes[i];
  return g_str_has_prefix (code, "KMS.") ? &kms : NULL;
}

static const Meaning *
meaning_of_status (guint status)
{
  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (statuses[i].status == status)
      return &statuses[i];
  return status >= 500 && status < 600 ? &server : &strange;
}

gboolean
s3_error_is_about_credentials (const S3Problem *problem)
{
  static const char *const names[] = { "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired", NULL };

  return g_strv_contains (names, problem->code);
}

static const Meaning *
judge (const S3Refusal *self)
{
  const Meaning *meaning = meaning_of_code (self->problem->code);

  if (self->renewable && s3_error_is_about_credentials (self->problem))
    return &expired; /* the next attempt has others */
  if (self->conditional && self->status == 409 && strcmp (self->problem->code, "OperationAborted") != 0)
    return &exists;
  if (self->status == 400 && self->problem->code[0] == '\0')
    return &bare;
  return meaning != NULL ? meaning : meaning_of_status (self->status);
}

static char *
describe_region (const S3Refusal *self)
{
  const char *region = self->problem->region[0] != '\0' ? self->problem->region : self->region_header;
  g_autofree char *quoted = region != NULL ? cloud_quote (region, -1) : NULL;

  return quoted != NULL && quoted[0] != '\0' ? g_strdup_printf (", the store names %s", quoted) : g_strdup ("");
}

GError *
s3_error_new (const S3Refusal *self)
{
  const Meaning *meaning = judge (self);
  g_autofree char *code = cloud_quote (self->problem->code, -1);
  g_autofree char *message = cloud_quote (self->problem->message, -1);
  g_autofree char *id = cloud_quote (self->problem->request_id, -1);
  g_autofree char *region = strcmp (meaning->reason, "s3-region") == 0 ? describe_region (self) : g_strdup ("");
  guint wait_ms = meaning->code != TEESQL_ERROR_THROTTLED ? 0 : self->retry_after_ms > 0 ? self->retry_after_ms : THROTTLE_MS;

  return teesql_error_new (TEESQL_STORAGE_ERROR, meaning->code, meaning->reason, wait_ms, "%s: status %u%s%s%s%s%s%s%s%s%s", self->what,
                           self->status, code[0] != '\0' ? ", " : "", code, message[0] != '\0' ? ": " : "", message,
                           id[0] != '\0' ? ", request " : "", id, meaning->hint[0] != '\0' ? "\nhint: " : "", meaning->hint, region);
}
