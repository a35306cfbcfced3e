/* What stores answer, and what a hostile one might. */
#include "s3-answers.h"
#include "s3-error.h"
#include "s3-scan.h"

#include <string.h>

#define LIST(inside)                                                                                                                       \
  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inside                \
  "</ListBucketResult>"
#define ENTRY(name, size)                                                                                                                  \
  "<Contents><Key>" name "</Key><LastModified>2026-01-31T23:59:59.000Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>" size              \
  "</Size></Contents>"
#define MORE "<IsTruncated>true</IsTruncated>"

static GBytes *
bytes_of (const char *text)
{
  return g_bytes_new (text, strlen (text));
}

static TeesqlObjectPage *
read_list (const char *text, const char *after, guint max, GError **error)
{
  g_autoptr (GBytes) body = bytes_of (text);

  return s3_answer_read_list (body, "repo/", "repo/w", after, max, error);
}

static void
test_list (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectPage) page =
      read_list (LIST (ENTRY ("repo/w/1", "5") ENTRY ("repo/w/2", "9223372036854775807") MORE), "", 1000, &error);
  TeesqlObjectInfo *info = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, 2);
  info = teesql_object_page_get_object (page, 0);
  g_assert_cmpstr (teesql_object_info_get_name (info), ==, "w/1");
  g_assert_cmpuint (teesql_object_info_get_size (info), ==, 5);
  g_assert_cmpint (teesql_object_info_get_modified_unix (info), ==, 1769903999);
  g_assert_cmpstr (teesql_object_info_get_tag (info), ==, "\"abc\"");
  g_assert_cmpstr (teesql_object_page_get_next_token (page), ==, "krepo/w/2");
}

static void
test_list_ends (void)
{
  static const struct
  {
    const char *text;
    guint n;
    const char *token;
  } cases[] = {
    { LIST (""), 0, NULL },
    { LIST ("<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>"), 0, NULL },
    { LIST (MORE "<NextContinuationToken>x&amp;y</NextContinuationToken>"), 0, "cx&y" },
    { LIST ("<EncodingType>url</EncodingType>" ENTRY ("repo%2Fw%2f1", "0")), 1, NULL },
    { LIST (ENTRY ("repo%2Fw", "0") "<EncodingType>url</EncodingType>"), 1, NULL },
    /* names that are none of ours are left out, and still where the next page begins */
    { LIST (ENTRY ("repo/w", "1") ENTRY ("repo/w//2", "1") ENTRY ("repo/wx y", "1") MORE), 1, "krepo/wx y" },
    { LIST ("<Contents><Key>repo/w1</Key><Size>1</Size><Owner><ID>x</ID></Owner></Contents>"), 1, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectPage) page = read_list (cases[i].text, "", 1000, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (teesql_object_page_get_n_objects (page), ==, cases[i].n);
      g_assert_cmpstr (teesql_object_page_get_next_token (page), ==, cases[i].token);
    }
}

static void
test_list_refused (void)
{
  static const char *const bad[] = {
    "",
    "{}",
    "<ListBucketResult>",
    "<ListBucketResult/><ListBucketResult/>",
    "<Error><Code>NoSuchBucket</Code></Error>",
    LIST (ENTRY ("repo/w2", "1") ENTRY ("repo/w1", "1")),
    LIST (ENTRY ("repo/w1", "1") ENTRY ("repo/w1", "1")),
    LIST (ENTRY ("repo/w", "1")), /* not behind `after` */
    LIST (ENTRY ("elsewhere/w2", "1")),
    LIST (ENTRY ("repo/w1", "-1")),
    LIST (ENTRY ("repo/w1", "9223372036854775808")),
    LIST (ENTRY ("repo/w1", "1e3")),
    LIST ("<Contents><Key>repo/w1</Key></Contents>"),
    LIST ("<Contents><Size>1</Size></Contents>"),
    LIST ("<EncodingType>url</EncodingType>" ENTRY ("repo%2Fw%zz", "0")),
    LIST ("<EncodingType>url</EncodingType>" ENTRY ("repo%2Fw%00", "0")),
    LIST (ENTRY ("repo/w1", "1") ENTRY ("repo/w2", "1") ENTRY ("repo/w3", "1")), /* more than asked for */
    LIST (MORE),
    "<!DOCTYPE x [<!ENTITY a \"b\">]>" LIST (""),
    LIST ("<!-- hidden -->"),
    LIST ("<~x/>"),
    LIST ("<a><b><c><d><e><f/></e></d></c></b></a>"),
    LIST ("<Contents><Key><![CDATA[repo/w1]]></Key><Size>1</Size></Contents>"),
    LIST ("<?php x?>"),
    LIST ("<Contents><Key>&unknown;</Key><Size>1</Size></Contents>"),
    LIST ("<Contents><Key>&#0;</Key></Wrong>"),
    LIST ("<Contents><Key>&#xd800;</Key></Contents>"),
    LIST ("<Contents><Key>&# 49;</Key></Contents>"),
    LIST ("<Contents><Key>&</Key></Contents>"),
    LIST ("<a><b><c><d><e><f></f></e></d></c></b></a>"),
    LIST ("<Contents><Key>repo/w\xff</Key><Size>1</Size></Contents>"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (TeesqlObjectPage) page = read_list (bad[i], i == 7 ? "repo/w" : "", 2, &error);

      g_test_message ("%u", i);
      g_assert_null (page);
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED);
    }
}

static void
test_long_text (void)
{
  g_autofree char *long_text = g_strnfill (9000, 'a');
  g_autofree char *text = g_strconcat ("<ListBucketResult><Name>", long_text, "</Name></ListBucketResult>", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (read_list (text, "", 2, &error));
  g_assert_cmpstr (teesql_error_get_reason (error), ==, "s3-xml");
}

static void
test_upload_id (void)
{
  g_autoptr (GBytes) good =
      bytes_of ("<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>2~x&amp;</UploadId></InitiateMultipartUploadResult>");
  static const char *const bad[] = { "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
                                     "<InitiateMultipartUploadResult/>", "<Other><UploadId>x</UploadId></Other>", "x" };
  g_autofree char *id = s3_answer_read_upload_id (good, NULL);

  g_assert_cmpstr (id, ==, "2~x&");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GBytes) body = bytes_of (bad[i]);

      g_assert_null (s3_answer_read_upload_id (body, NULL));
    }
}

static void
test_complete (void)
{
  g_autoptr (GBytes) good =
      bytes_of (" \n\n<?xml version=\"1.0\"?><CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>");
  g_autoptr (GBytes) refused = bytes_of ("<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>again</Message></Error>");
  g_autoptr (GBytes) neither = bytes_of ("<Maybe/>");
  S3Problem problems[3] = { { 0 } };
  g_autoptr (GError) error = NULL;
  g_autofree char *etag = s3_answer_read_complete (good, &problems[0], &error);

  g_assert_cmpstr (etag, ==, "\"e-2\"");
  g_assert_null (s3_answer_read_complete (refused, &problems[1], &error));
  g_assert_no_error (error);
  g_assert_cmpstr (problems[1].code, ==, "InternalError");
  g_assert_null (s3_answer_read_complete (neither, &problems[2], &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED);
  for (guint i = 0; i < 3; i++)
    s3_problem_clear (&problems[i]);
}

/* ---- errors ---- */

typedef struct
{
  guint status;
  const char *code;
  gboolean conditional;
  gboolean renewable;
  TeesqlError error;
  const char *reason;
  const char *hint; /* NULL: none */
} Refused;

static const Refused refusals[] = {
  { 403, "AccessDenied", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-access-denied", "bucket" },
  { 403, "SignatureDoesNotMatch", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-signature", "secret-access-key" },
  { 403, "InvalidAccessKeyId", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-access-key", "access-key-id" },
  { 403, "RequestTimeTooSkewed", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-clock", "clock" },
  { 403, "", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-access-denied", "clock" },
  { 401, "", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-access-denied", "access-key-id" },
  { 400, "ExpiredToken", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-token", "session-token" },
  { 400, "ExpiredToken", FALSE, TRUE, TEESQL_ERROR_UNAVAILABLE, "s3-token", NULL },
  { 403, "QuotaExceeded", FALSE, FALSE, TEESQL_ERROR_NO_SPACE, "s3-no-space", "quota" },
  { 404, "NoSuchKey", FALSE, FALSE, TEESQL_ERROR_NOT_FOUND, "no-such-object", NULL },
  { 404, "NoSuchBucket", FALSE, FALSE, TEESQL_ERROR_CONFIG, "s3-no-such-bucket", "bucket" },
  { 404, "NoSuchUpload", FALSE, FALSE, TEESQL_ERROR_NOT_FOUND, "s3-no-such-upload", NULL },
  { 404, "", FALSE, FALSE, TEESQL_ERROR_NOT_FOUND, "no-such-object", NULL },
  { 301, "PermanentRedirect", FALSE, FALSE, TEESQL_ERROR_CONFIG, "s3-region", "region" },
  { 301, "", FALSE, FALSE, TEESQL_ERROR_CONFIG, "s3-region", "region" },
  { 302, "", FALSE, FALSE, TEESQL_ERROR_CONFIG, "s3-redirect", "endpoint" },
  { 400, "AuthorizationHeaderMalformed", FALSE, FALSE, TEESQL_ERROR_CONFIG, "s3-region", "region" },
  { 400, "BadDigest", FALSE, FALSE, TEESQL_ERROR_INTEGRITY, "s3-checksum", NULL },
  { 400, "RequestTimeout", FALSE, FALSE, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", NULL },
  { 400, "", FALSE, FALSE, TEESQL_ERROR_FAILED, "s3-request", "wants https" },
  { 400, "InvalidArgument", FALSE, FALSE, TEESQL_ERROR_FAILED, "s3-request", NULL },
  { 409, "OperationAborted", TRUE, FALSE, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", NULL },
  { 409, "ConditionalRequestConflict", TRUE, FALSE, TEESQL_ERROR_EXISTS, "object-exists", NULL },
  { 409, "", FALSE, FALSE, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", NULL },
  { 412, "PreconditionFailed", TRUE, FALSE, TEESQL_ERROR_EXISTS, "object-exists", NULL },
  { 416, "InvalidRange", FALSE, FALSE, TEESQL_ERROR_FAILED, "range", NULL },
  { 429, "", FALSE, FALSE, TEESQL_ERROR_THROTTLED, "s3-throttled", NULL },
  { 500, "InternalError", FALSE, FALSE, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", NULL },
  { 500, "KMS.DisabledException", FALSE, FALSE, TEESQL_ERROR_PERMISSION, "s3-kms", "server-side-encryption" },
  { 501, "NotImplemented", TRUE, FALSE, TEESQL_ERROR_UNSUPPORTED, "s3-not-implemented", "conditional-put" },
  { 502, "", FALSE, FALSE, TEESQL_ERROR_UNAVAILABLE, "s3-unavailable", NULL },
  { 503, "SlowDown", FALSE, FALSE, TEESQL_ERROR_THROTTLED, "s3-throttled", NULL },
  { 503, "", FALSE, FALSE, TEESQL_ERROR_THROTTLED, "s3-throttled", NULL },
  { 507, "", FALSE, FALSE, TEESQL_ERROR_NO_SPACE, "s3-no-space", "bucket" },
  { 206, "", FALSE, FALSE, TEESQL_ERROR_MALFORMED, "s3-status", "endpoint" },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      const Refused *row = &refusals[i];
      g_autofree char *code = g_strdup (row->code);
      S3Problem problem = { code, (char *) "a\x1b[31mb", (char *) "eu-central-1", (char *) "tx1" };
      const S3Refusal refusal = { "put wal/1", row->status, &problem, 0, NULL, row->conditional, row->renewable };
      g_autoptr (GError) error = s3_error_new (&refusal);
      const char *hint = strstr (error->message, "\nhint: ");

      g_test_message ("%s", error->message);
      g_assert_error (error, TEESQL_STORAGE_ERROR, (int) row->error);
      g_assert_cmpstr (teesql_error_get_reason (error), ==, row->reason);
      g_assert_true (g_str_has_prefix (error->message, "put wal/1: status "));
      g_assert_true (strchr (error->message, '\x1b') == NULL);
      g_assert_true ((hint != NULL) == (row->hint != NULL));
      g_assert_true (hint == NULL || strstr (hint, row->hint) != NULL);
      g_assert_true (strcmp (row->reason, "s3-region") != 0 || strstr (error->message, "eu-central-1") != NULL);
      g_assert_true ((teesql_error_get_retry_after_ms (error) > 0) == (row->error == TEESQL_ERROR_THROTTLED));
    }
}

static void
test_problem (void)
{
  g_autoptr (GBytes) s3 = bytes_of ("<Error><Code>SlowDown</Code><Message>m</Message><RequestId>r</RequestId><Region>x</Region></Error>");
  g_autoptr (GBytes) sts = bytes_of ("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code></Error></ErrorResponse>");
  g_autoptr (GBytes) html = bytes_of ("<html><body><h1>503<br></body>");
  g_auto (S3Problem) a = { 0 };
  g_auto (S3Problem) b = { 0 };
  g_auto (S3Problem) c = { 0 };

  s3_answer_read_problem (s3, &a);
  g_assert_cmpstr (a.code, ==, "SlowDown");
  g_assert_cmpstr (a.region, ==, "x");
  s3_answer_read_problem (sts, &b);
  g_assert_cmpstr (b.code, ==, "AccessDenied");
  s3_answer_read_problem (html, &c);
  g_assert_cmpstr (c.code, ==, "");
}

/* ---- credentials ---- */

static void
check_scan (TeesqlSecret *(*scan) (GBytes *answer, const char *member, GError **error), const char *text, const char *expected)
{
  g_autoptr (GBytes) answer = bytes_of (text);
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlSecret) secret = scan (answer, "Token", &error);
  g_autofree char *found = secret != NULL ? s3_scan_to_text (secret) : NULL;

  g_test_message ("%s", text);
  g_assert_cmpstr (found, ==, expected);
  g_assert_true ((error != NULL) == (expected == NULL));
}

static void
test_scan_json (void)
{
  check_scan (s3_scan_json, "{\"Code\" : \"Success\",\n \"Token\" : \"a/b+c=\" }", "a/b+c=");
  check_scan (s3_scan_json, "{\"Token\":\"x\"}trailing", "x");
  check_scan (s3_scan_json, "", NULL);
  check_scan (s3_scan_json, "{}", NULL);
  check_scan (s3_scan_json, "{\"Token\":\"\"}", NULL);
  check_scan (s3_scan_json, "{\"Token\":\"a\",\"Token\":\"b\"}", NULL);
  check_scan (s3_scan_json, "{\"Token\":\"a\\u0041\"}", NULL);
  check_scan (s3_scan_json, "{\"Token\":1}", NULL);
  check_scan (s3_scan_json, "{\"Token\":\"a", NULL);
  check_scan (s3_scan_json, "{\"x\":{\"Token\":\"a\"}}", NULL);
  check_scan (s3_scan_json, "[\"Token\"]", NULL);
}

static void
test_scan_xml (void)
{
  check_scan (s3_scan_xml, "<R><Credentials><A>1</A><Token>a/b+c=</Token></Credentials></R>", "a/b+c=");
  check_scan (s3_scan_xml, "", NULL);
  check_scan (s3_scan_xml, "<Token>a</Token>", NULL);
  check_scan (s3_scan_xml, "<Credentials><Token></Token></Credentials>", NULL);
  check_scan (s3_scan_xml, "<Credentials><Token>a</Token><Token>b</Token></Credentials>", NULL);
  check_scan (s3_scan_xml, "<Credentials><Token>a&amp;</Token></Credentials>", NULL);
  check_scan (s3_scan_xml, "<Credentials><Token>a<b/></Token></Credentials>", NULL);
  check_scan (s3_scan_xml, "</Token><Credentials><Token>a</Credentials>", NULL);
  check_scan (s3_scan_xml, "<Credentials><Token>a</Token></Credentials><Credentials></Credentials>", NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/answers/list", test_list);
  g_test_add_func ("/answers/ends of lists", test_list_ends);
  g_test_add_func ("/answers/lists that are refused", test_list_refused);
  g_test_add_func ("/answers/text that is too long", test_long_text);
  g_test_add_func ("/answers/upload id", test_upload_id);
  g_test_add_func ("/answers/end of an upload", test_complete);
  g_test_add_func ("/errors/each refusal has its meaning", test_refusals);
  g_test_add_func ("/errors/read from the body", test_problem);
  g_test_add_func ("/credentials/scanned in JSON", test_scan_json);
  g_test_add_func ("/credentials/scanned in XML", test_scan_xml);
  return g_test_run ();
}
