/* The end of an upload: at a store that keeps to the condition and at one that ignores it, with answers that are lost, and beside claims of
 * others, living and dead. */
#include "../cloud/test-store.h"
#include "s3-storage.h"

#include <string.h>

#define NOW      "Sat, 31 Jan 2026 12:00:00 GMT"
#define JUST     "Sat, 31 Jan 2026 11:59:59 GMT"
#define LONG_AGO "Sat, 31 Jan 2026 10:00:00 GMT"
#define OTHER    "c0123456789abcdef:other"

typedef enum
{
  END_SERVED,
  END_LOST,    /* it takes place, its answer does not come */
  END_UNHEARD, /* neither */
  END_REFUSED, /* status 500, as Ceph has for an upload that is gone */
} End;

/* A store in a nutshell. */
typedef struct
{
  gboolean honours;
  End end;
  char *mark; /* of the last upload that was begun */
  gboolean ongoing;
  char *object; /* its mark; NULL: there is none */
  char *claim;
  guint claim_version;
  const char *claimed;  /* Last-Modified */
  gboolean by_the_book; /* ETags have quotes in conditions; Ceph 16 wants none */
  gboolean other_ends;  /* whoever holds the claim makes the object when it is read for the second time */
  guint n_claim_reads;
  guint n_probes;
  guint n_ends;
  char *aborted; /* ids, each with a blank behind it */
} Fake;

static void
fake_clear (Fake *self)
{
  g_free (self->mark);
  g_free (self->object);
  g_free (self->claim);
  g_free (self->aborted);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fake, fake_clear)

static void
replace (char **place, char *text)
{
  g_free (*place);
  *place = text;
}

static char *
probe (Fake *self, const TestRequest *request)
{
  if (strstr (request->line, "?uploads=") != NULL)
    return test_answer (200, "", "<InitiateMultipartUploadResult><UploadId>probe</UploadId></InitiateMultipartUploadResult>");
  if (g_str_has_prefix (request->line, "DELETE"))
    return test_answer (204, "", "");
  if (g_str_has_prefix (request->line, "PUT"))
    return test_answer (200, "ETag: \"e\"\r\n", "");
  self->n_probes++;
  return self->honours ? test_answer (412, "", "<Error><Code>PreconditionFailed</Code></Error>")
                       : test_answer (200, "", "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
}

static char *
put_claim (Fake *self, const TestRequest *request)
{
  g_autofree char *match = test_request_header (request, "If-Match");
  g_autofree char *etag = g_strdup_printf (self->by_the_book ? "\"v%u\"" : "v%u", self->claim_version);

  if (self->claim != NULL && g_strcmp0 (match, etag) != 0)
    return test_answer (412, "", "");
  g_assert_true (match != NULL || self->claim == NULL);
  replace (&self->claim, g_strndup (g_bytes_get_data (request->body, NULL), g_bytes_get_size (request->body)));
  self->claim_version++;
  self->claimed = JUST;
  return test_answer (200, "ETag: \"x\"\r\n", "");
}

static char *
claims (Fake *self, const TestRequest *request)
{
  g_autofree char *headers =
      g_strdup_printf ("Date: " NOW "\r\nLast-Modified: %s\r\nETag: \"v%u\"\r\n", self->claimed, self->claim_version);

  if (g_str_has_prefix (request->line, "PUT"))
    return put_claim (self, request);
  if (g_str_has_prefix (request->line, "DELETE"))
    {
      replace (&self->claim, NULL);
      return test_answer (204, "", "");
    }
  if (self->other_ends && ++self->n_claim_reads == 2)
    replace (&self->object, g_strdup ("c0123456789abcdef"));
  return self->claim != NULL ? test_answer (200, headers, self->claim) : test_answer (404, "", "<Error><Code>NoSuchKey</Code></Error>");
}

static char *
end (Fake *self, const TestRequest *request)
{
  g_autofree char *condition = test_request_header (request, "If-None-Match");
  gboolean served = self->ongoing && (self->end == END_SERVED || self->end == END_LOST);

  self->n_ends++;
  if (condition != NULL && self->honours && self->object != NULL)
    return test_answer (412, "", "<Error><Code>PreconditionFailed</Code></Error>");
  if (served)
    {
      self->ongoing = FALSE;
      replace (&self->object, g_strdup (self->mark));
    }
  if (self->end == END_UNHEARD || (served && self->end == END_LOST))
    return NULL;
  return served ? test_answer (200, "", "<CompleteMultipartUploadResult><ETag>e-1</ETag></CompleteMultipartUploadResult>")
                : test_answer (500, "", "<Error><Code>InternalError</Code><Message>already in progress</Message></Error>");
}

static char *
abort_upload (Fake *self, const TestRequest *request)
{
  const char *id = strstr (request->line, "uploadId=") + strlen ("uploadId=");
  g_autofree char *text = g_strndup (id, strcspn (id, " &"));

  replace (&self->aborted, g_strdup_printf ("%s%s ", self->aborted != NULL ? self->aborted : "", text));
  self->ongoing = self->ongoing && strcmp (text, "ours") != 0;
  return test_answer (204, "", "");
}

static char *
serve (const TestRequest *request, guint number, gpointer user_data)
{
  Fake *self = user_data;
  g_autofree char *headers = NULL;

  if (strstr (request->line, "/%21probe/") != NULL)
    return probe (self, request);
  if (strstr (request->line, "/%21claims/") != NULL)
    return claims (self, request);
  if (g_str_has_prefix (request->line, "HEAD"))
    headers = g_strdup_printf ("x-amz-meta-teesql-upload: %s\r\n", self->object);
  if (headers != NULL)
    return self->object != NULL ? test_answer (200, headers, "") : test_answer (404, "", "");
  if (strstr (request->line, "?uploads=") != NULL)
    {
      replace (&self->mark, test_request_header (request, "x-amz-meta-teesql-upload"));
      self->ongoing = TRUE;
      return test_answer (200, "", "<InitiateMultipartUploadResult><UploadId>ours</UploadId></InitiateMultipartUploadResult>");
    }
  if (g_str_has_prefix (request->line, "DELETE"))
    return abort_upload (self, request);
  if (g_str_has_prefix (request->line, "PUT"))
    return test_answer (200, "ETag: \"part\"\r\n", "");
  if (g_str_has_prefix (request->line, "POST"))
    return end (self, request);
  return self->ongoing ? test_answer (200, "", "<ListPartsResult/>") : test_answer (404, "", "<Error><Code>NoSuchUpload</Code></Error>");
}

/* ---- the plugin before it ---- */

typedef struct
{
  TestStore *store;
  TeesqlStorage *storage;
  char *id;
  char *tag;
} Scene;

static void
scene_clear (Scene *self)
{
  g_clear_object (&self->storage);
  g_clear_pointer (&self->store, test_store_free);
  g_free (self->id);
  g_free (self->tag);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Scene, scene_clear)

static void
scene_begin (Scene *self, Fake *fake, TeesqlStoragePutFlags flags)
{
  g_autoptr (TeesqlSecret) secret = teesql_secret_new ((const guint8 *) "secret", 6, NULL);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("abc", 3);
  g_autoptr (GAsyncResult) made = NULL;
  g_autoptr (GAsyncResult) begun = NULL;
  g_autoptr (GAsyncResult) sent = NULL;
  g_autoptr (GError) error = NULL;

  self->store = test_store_new (serve, fake);
  self->storage = g_object_new (S3_TYPE_STORAGE, "endpoint", self->store->url, "bucket", "bucket", "path-style", TRUE, "prefix", "repo",
                                "access-key-id", "AKID", "secret-access-key", secret, "timeout", 4000u, NULL);
  g_async_initable_init_async (G_ASYNC_INITABLE (self->storage), G_PRIORITY_DEFAULT, NULL, test_keep, &made);
  g_assert_true (g_async_initable_init_finish (G_ASYNC_INITABLE (self->storage), test_wait (&made), &error));
  teesql_storage_upload_begin_async (self->storage, "a/b", flags, NULL, test_keep, &begun);
  self->id = teesql_storage_upload_begin_finish (self->storage, test_wait (&begun), &error);
  g_assert_no_error (error);
  teesql_storage_upload_part_async (self->storage, "a/b", self->id, 1, bytes, NULL, test_keep, &sent);
  self->tag = teesql_storage_upload_part_finish (self->storage, test_wait (&sent), &error);
  g_assert_no_error (error);
}

static TeesqlObjectInfo *
commit_as (Scene *self, const char *id, const char *tag, TeesqlStoragePutFlags flags, GError **error)
{
  const char *const tags[] = { tag, NULL };
  g_autoptr (GAsyncResult) result = NULL;
  TeesqlObjectInfo *info = NULL;

  teesql_storage_upload_commit_async (self->storage, "a/b", id, tags, flags, NULL, test_keep, &result);
  info = teesql_storage_upload_commit_finish (self->storage, test_wait (&result), error);
  if (info == NULL && error != NULL)
    g_test_message ("%s", (*error)->message);
  return info;
}

static void
expect (Scene *self, TeesqlStoragePutFlags flags, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TeesqlObjectInfo) info = commit_as (self, self->id, self->tag, flags, &error);

  if (code == 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, TEESQL_STORAGE_ERROR, code);
  g_assert_true ((info != NULL) == (code == 0));
}

static void
give_up (Scene *self)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  teesql_storage_upload_abort_async (self->storage, "a/b", self->id, NULL, test_keep, &result);
  g_assert_true (teesql_storage_upload_abort_finish (self->storage, test_wait (&result), &error));
}

#define ABSENT TEESQL_STORAGE_PUT_IF_ABSENT
#define PLAIN  TEESQL_STORAGE_PUT_NONE

/* ---- the condition ---- */

/* One probe in a process, and from then on one request. */
static void
test_honoured (void)
{
  g_auto (Fake) fake = { .honours = TRUE };
  g_auto (Scene) scene = { NULL };
  guint before = 0;

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, 0);
  g_assert_cmpuint (fake.n_probes, ==, 1);
  g_assert_cmpuint (test_store_count (scene.store), ==, 2 + 6 + 1);
  fake.ongoing = TRUE;
  replace (&fake.object, NULL);
  before = test_store_count (scene.store);
  expect (&scene, ABSENT, 0);
  g_assert_cmpuint (test_store_count (scene.store), ==, before + 1);
  replace (&fake.object, g_strdup ("c0123456789abcdef"));
  expect (&scene, ABSENT, TEESQL_ERROR_EXISTS);
  give_up (&scene);
  g_assert_cmpuint (test_store_count (scene.store), ==, before + 4);
  g_assert_null (fake.claim);
}

static void
test_no_condition (void)
{
  g_auto (Fake) fake = { .honours = FALSE };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, PLAIN);
  expect (&scene, PLAIN, 0);
  g_assert_cmpuint (test_store_count (scene.store), ==, 3);
  give_up (&scene);
  g_assert_cmpuint (test_store_count (scene.store), ==, 4);
}

static void
test_ignored (void)
{
  g_auto (Fake) fake = { .honours = FALSE };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, 0);
  g_assert_cmpstr (fake.object, ==, fake.mark);
  g_assert_null (fake.claim);
  g_assert_cmpuint (test_store_count (scene.store), ==, 2 + 6 + 4); /* claim, look, end, give back */
}

static void
test_ignored_exists (void)
{
  g_auto (Fake) fake = { .honours = FALSE, .object = g_strdup ("c0123456789abcdef") };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, TEESQL_ERROR_EXISTS);
  g_assert_cmpuint (fake.n_ends, ==, 0);
  g_assert_cmpstr (fake.object, ==, "c0123456789abcdef");
  g_assert_null (fake.claim);
}

/* ---- claims of others ---- */

static void
test_claimed (void)
{
  g_auto (Fake) fake = { .claim = g_strdup ("600 " OTHER), .claimed = JUST, .other_ends = TRUE };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, TEESQL_ERROR_EXISTS);
  g_assert_cmpuint (fake.n_ends, ==, 0);
  g_assert_cmpstr (fake.claim, ==, "600 " OTHER);
  g_assert_null (fake.aborted);
}

/* What it may have to end is given up before its claim is taken. */
static void
check_dead_claimant (const char *claim, gboolean by_the_book, const char *aborted)
{
  g_auto (Fake) fake = { .claim = g_strdup (claim), .claimed = LONG_AGO, .by_the_book = by_the_book };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, 0);
  g_assert_cmpstr (fake.aborted, ==, aborted);
  g_assert_cmpstr (fake.object, ==, fake.mark);
  g_assert_null (fake.claim);
}

static void
test_dead_claimant (void)
{
  check_dead_claimant ("600 " OTHER, FALSE, "other ");
  check_dead_claimant ("600 " OTHER, TRUE, "other other ");
  check_dead_claimant ("99999999999999999999 " OTHER, FALSE, "other ");
  check_dead_claimant ("what is this", FALSE, NULL);
  check_dead_claimant ("", TRUE, NULL);
}

/* Its upload was given up and its claim taken over: it must not end anything any more. */
static void
test_overtaken (void)
{
  g_auto (Fake) fake = { .end = END_REFUSED };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, TEESQL_ERROR_UNAVAILABLE); /* the claim is held for the next attempt */
  g_assert_nonnull (fake.claim);
  fake.ongoing = FALSE;
  replace (&fake.claim, g_strdup ("600 " OTHER));
  fake.claim_version++;
  replace (&fake.object, g_strdup ("c0123456789abcdef"));
  expect (&scene, ABSENT, TEESQL_ERROR_EXISTS);
  give_up (&scene);
  g_assert_cmpstr (fake.claim, ==, "600 " OTHER);
  g_assert_cmpuint (fake.n_ends, ==, 1);
}

static void
check_given_up (gboolean by_the_book)
{
  g_auto (Fake) fake = { .end = END_REFUSED, .by_the_book = by_the_book };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, ABSENT);
  expect (&scene, ABSENT, TEESQL_ERROR_UNAVAILABLE);
  expect (&scene, ABSENT, TEESQL_ERROR_UNAVAILABLE); /* its own claim is in nobody's way */
  g_assert_cmpuint (fake.n_ends, ==, 2);
  g_assert_nonnull (fake.claim);
  give_up (&scene);
  g_assert_null (fake.claim);
  g_assert_cmpstr (fake.aborted, ==, "ours ");
}

static void
test_given_up (void)
{
  check_given_up (FALSE);
  check_given_up (TRUE);
}

/* ---- answers that are lost ---- */

static void
check_lost (gboolean honours, TeesqlStoragePutFlags flags)
{
  g_auto (Fake) fake = { .honours = honours, .end = END_LOST };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, flags);
  expect (&scene, flags, TEESQL_ERROR_UNAVAILABLE);
  g_assert_cmpstr (fake.object, ==, fake.mark);
  expect (&scene, flags, 0); /* neither NOT_FOUND nor EXISTS: it is ours */
  g_assert_null (fake.claim);
}

static void
test_lost (void)
{
  check_lost (TRUE, ABSENT);
  check_lost (FALSE, ABSENT);
  check_lost (FALSE, PLAIN);
}

/* Ceph 16 says yes to an end and to an abort that comes meanwhile, and then the object loses its bytes. */
static void
check_under_way (gboolean takes_place)
{
  g_auto (Fake) fake = { .end = takes_place ? END_LOST : END_UNHEARD };
  g_auto (Scene) scene = { NULL };
  gint64 begun_us = 0;

  scene_begin (&scene, &fake, PLAIN);
  expect (&scene, PLAIN, TEESQL_ERROR_UNAVAILABLE);
  begun_us = g_get_monotonic_time ();
  give_up (&scene);
  g_assert_cmpstr (fake.aborted, ==, takes_place ? NULL : "ours ");
  g_assert_true (takes_place || g_get_monotonic_time () - begun_us >= 3 * G_USEC_PER_SEC);
}

static void
test_under_way (void)
{
  check_under_way (TRUE);
  check_under_way (FALSE);
}

static void
test_gone (void)
{
  g_auto (Fake) fake = { .honours = FALSE };
  g_auto (Scene) scene = { NULL };

  scene_begin (&scene, &fake, PLAIN);
  fake.end = END_REFUSED;
  expect (&scene, PLAIN, TEESQL_ERROR_UNAVAILABLE); /* the upload is still there */
  fake.ongoing = FALSE;
  expect (&scene, PLAIN, TEESQL_ERROR_NOT_FOUND);
  replace (&fake.object, g_strdup ("n0123456789abcdef"));
  expect (&scene, PLAIN, TEESQL_ERROR_NOT_FOUND); /* another's object says nothing */
  replace (&fake.object, g_strdup (fake.mark));
  expect (&scene, PLAIN, 0);
}

static void
test_made_up (void)
{
  g_auto (Fake) fake = { .honours = FALSE };
  g_auto (Scene) scene = { NULL };
  static const char *const ids[] = { "x", "2~abc", "n0123456789abcde:", "n0123456789abcdeg:x", "m0123456789abcdef:x" };
  guint before = 0;
  GError *error = NULL;

  scene_begin (&scene, &fake, PLAIN);
  before = test_store_count (scene.store);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_assert_null (commit_as (&scene, ids[i], scene.tag, PLAIN, &error));
      g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
      g_clear_error (&error);
    }
  g_assert_cmpuint (test_store_count (scene.store), ==, before);
  g_assert_null (commit_as (&scene, scene.id, "1", PLAIN, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_FAILED);
  g_clear_error (&error);
  fake.ongoing = FALSE;
  g_assert_null (commit_as (&scene, scene.id, "1", PLAIN, &error));
  g_assert_error (error, TEESQL_STORAGE_ERROR, TEESQL_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_cmpuint (fake.n_ends, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_setenv ("http_proxy", "http://127.0.0.1:1", TRUE);
  g_test_add_func ("/condition/a store that keeps to it is asked once", test_honoured);
  g_test_add_func ("/condition/without one nothing is asked", test_no_condition);
  g_test_add_func ("/condition/a store that ignores it is ended under a claim", test_ignored);
  g_test_add_func ("/condition/what is there stays", test_ignored_exists);
  g_test_add_func ("/claim/another's is waited for", test_claimed);
  g_test_add_func ("/claim/a dead one is fenced off and taken over", test_dead_claimant);
  g_test_add_func ("/claim/who was overtaken ends nothing", test_overtaken);
  g_test_add_func ("/claim/an abort takes it away", test_given_up);
  g_test_add_func ("/end/an answer that was lost is no refusal", test_lost);
  g_test_add_func ("/end/nobody gives up what may be ending", test_under_way);
  g_test_add_func ("/end/status 500 for an upload that is gone", test_gone);
  g_test_add_func ("/end/ids and tags that are none of ours", test_made_up);
  return g_test_run ();
}
