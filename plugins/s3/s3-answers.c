#include "s3-answers.h"

#include "../cloud/cloud-uri.h"
#include "s3-xml.h"

#include <string.h>
#include <teesql/teesql-storage.h>

#define UPLOAD_ID_MAX ((gsize) 2000) /* with our mark below what core takes */
#define ETAG_MAX      ((gsize) 256)

static gboolean
fail (GError **error, const char *reason, const char *text)
{
  g_propagate_error (error, teesql_error_new (TEESQL_STORAGE_ERROR, TEESQL_ERROR_MALFORMED, reason, 0, "%s", text));
  return FALSE;
}

static gboolean
read_body (GBytes *body, const S3XmlHandler *handler, gpointer user_data, GError **error)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (body, &size);

  return s3_xml_read (text != NULL ? text : "", size, handler, user_data, error);
}

static void
replace (char **place, const char *text)
{
  g_free (*place);
  *place = g_strdup (text);
}

/* ---- errors ---- */

void
s3_problem_clear (S3Problem *self)
{
  g_clear_pointer (&self->code, g_free);
  g_clear_pointer (&self->message, g_free);
  g_clear_pointer (&self->region, g_free);
  g_clear_pointer (&self->request_id, g_free);
}

/* S3 has <Error> at the root, STS one level down. */
static gboolean
problem_end (const char *path, const char *text, gpointer user_data, GError **error)
{
  S3Problem *self = user_data;
  const char *name = g_str_has_prefix (path, "ErrorResponse/") ? path + strlen ("ErrorResponse/") : path;

  if (strcmp (name, "Error/Code") == 0)
    replace (&self->code, text);
  else if (strcmp (name, "Error/Message") == 0)
    replace (&self->message, text);
  else if (strcmp (name, "Error/Region") == 0)
    replace (&self->region, text);
  else if (strcmp (name, "Error/RequestId") == 0)
    replace (&self->request_id, text);
  return TRUE;
}

static void
problem_init (S3Problem *self)
{
  *self = (S3Problem){ g_strdup (""), g_strdup (""), g_strdup (""), g_strdup ("") };
}

void
s3_answer_read_problem (GBytes *body, S3Problem *out_problem)
{
  static const S3XmlHandler handler = { NULL, problem_end };

  problem_init (out_problem);
  if (body != NULL && read_body (body, &handler, out_problem, NULL))
    return;
  s3_problem_clear (out_problem);
  problem_init (out_problem);
}

/* ---- list ---- */

typedef struct
{
  gsize below; /* bytes of names that are cut off */
  const char *prefix;
  guint max;
  GPtrArray *objects;
  char *before; /* the last name that was seen, whole */
  char *token;
  gboolean escaped;
  gboolean truncated;
  gboolean is_list;
  guint n_seen;
  /* of the entry that is being read */
  char *key;
  char *size;
  char *modified;
  char *tag;
} List;

static void
list_forget_entry (List *self)
{
  g_clear_pointer (&self->key, g_free);
  g_clear_pointer (&self->size, g_free);
  g_clear_pointer (&self->modified, g_free);
  g_clear_pointer (&self->tag, g_free);
}

static gint64
unix_of (const char *text)
{
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return time != NULL ? MAX (g_date_time_to_unix (time), -1) : -1;
}

/* Somebody else's objects under our prefix are none of ours, whatever they are called. */
static void
list_add (List *self, const char *key, guint64 size)
{
  const char *name = key + self->below;
  const char *tag = self->tag != NULL && strlen (self->tag) <= ETAG_MAX ? self->tag : NULL;

  if (teesql_storage_name_is_valid (name))
    g_ptr_array_add (self->objects, teesql_object_info_new (name, size, unix_of (self->modified), tag));
}

static gboolean
list_end_entry (List *self, GError **error)
{
  g_autofree char *key = self->key == NULL ? NULL : self->escaped ? cloud_percent_decode (self->key) : g_strdup (self->key);
  guint64 size = 0;

  if (key == NULL || self->size == NULL || !g_ascii_string_to_unsigned (self->size, 10, 0, G_MAXINT64, &size, NULL))
    return fail (error, "s3-list", "an entry of the store's list has no readable name or size");
  if (++self->n_seen > self->max)
    return fail (error, "s3-list", "the store lists more names than were asked for");
  if (!g_str_has_prefix (key, self->prefix) || strcmp (key, self->before) <= 0)
    return fail (error, "s3-list", "the store lists names out of order, or of elsewhere");
  list_add (self, key, size);
  g_free (self->before);
  self->before = g_steal_pointer (&key);
  list_forget_entry (self);
  return TRUE;
}

static gboolean
list_start (const char *path, gpointer user_data, GError **error)
{
  List *self = user_data;

  if (strcmp (path, "ListBucketResult") == 0)
    self->is_list = TRUE;
  if (strcmp (path, "ListBucketResult/Contents") == 0)
    list_forget_entry (self);
  return TRUE;
}

static gboolean
list_end (const char *path, const char *text, gpointer user_data, GError **error)
{
  List *self = user_data;
  const char *name = g_str_has_prefix (path, "ListBucketResult/") ? path + strlen ("ListBucketResult/") : "";
  char **const places[] = { &self->key, &self->size, &self->modified, &self->tag, &self->token };
  static const char *const names[] = { "Contents/Key", "Contents/Size", "Contents/LastModified", "Contents/ETag", "NextContinuationToken" };

  if (strcmp (name, "Contents") == 0)
    return list_end_entry (self, error);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i]) == 0)
      replace (places[i], text);
  if (strcmp (name, "IsTruncated") == 0)
    self->truncated = strcmp (text, "true") == 0;
  return TRUE;
}

/* Going on behind the last name needs no trust in a token; a page without any name leaves only the token. */
static gboolean
next_token (const List *self, char **out_token, GError **error)
{
  gboolean moved = self->n_seen > 0;

  if (!self->truncated)
    *out_token = NULL;
  else if (moved && strlen (self->before) < TEESQL_STORAGE_TOKEN_MAX)
    *out_token = g_strconcat ("k", self->before, NULL);
  else if (!moved && self->token != NULL && self->token[0] != '\0' && strlen (self->token) < TEESQL_STORAGE_TOKEN_MAX)
    *out_token = g_strconcat ("c", self->token, NULL);
  else
    return fail (error, "s3-list", "the store's list goes on, but does not say where");
  return TRUE;
}

/* EncodingType stands before the names in some answers and behind them in others. */
static gboolean
is_escaped (GBytes *body)
{
  gsize size = 0;
  const char *text = g_bytes_get_data (body, &size);

  return text != NULL && g_strstr_len (text, (gssize) size, "<EncodingType>url</EncodingType>") != NULL;
}

TeesqlObjectPage *
s3_answer_read_list (GBytes *body, const char *below, const char *prefix, const char *after, guint max, GError **error)
{
  static const S3XmlHandler handler = { list_start, list_end };
  g_autoptr (GPtrArray) objects = g_ptr_array_new_with_free_func ((GDestroyNotify) teesql_object_info_unref);
  List self = {
    .below = strlen (below), .prefix = prefix, .max = max, .objects = objects, .before = g_strdup (after), .escaped = is_escaped (body)
  };
  g_autofree char *token = NULL;
  gboolean read = read_body (body, &handler, &self, error);

  if (read && !self.is_list)
    read = fail (error, "s3-list", "the store's answer is no list");
  read = read && next_token (&self, &token, error);
  list_forget_entry (&self);
  g_free (self.before);
  g_free (self.token);
  return read ? teesql_object_page_new (objects, token) : NULL;
}

/* ---- uploads ---- */

static gboolean
upload_id_end (const char *path, const char *text, gpointer user_data, GError **error)
{
  char **id = user_data;

  if (strcmp (path, "InitiateMultipartUploadResult/UploadId") == 0)
    replace (id, text);
  return TRUE;
}

char *
s3_answer_read_upload_id (GBytes *body, GError **error)
{
  static const S3XmlHandler handler = { NULL, upload_id_end };
  g_autofree char *id = NULL;

  if (!read_body (body, &handler, &id, error))
    return NULL;
  if (id != NULL && id[0] != '\0' && strlen (id) <= UPLOAD_ID_MAX)
    return g_steal_pointer (&id);
  fail (error, "s3-upload-id", "the store's answer has no upload id of 1 to 2000 bytes");
  return NULL;
}

typedef struct
{
  gboolean complete;
  gboolean refused;
  char *tag;
  S3Problem *problem;
} Complete;

static gboolean
complete_end (const char *path, const char *text, gpointer user_data, GError **error)
{
  Complete *self = user_data;

  if (strcmp (path, "CompleteMultipartUploadResult") == 0)
    self->complete = TRUE;
  else if (strcmp (path, "CompleteMultipartUploadResult/ETag") == 0 && strlen (text) <= ETAG_MAX)
    replace (&self->tag, text);
  else if (strcmp (path, "Error") == 0)
    self->refused = TRUE;
  return problem_end (path, text, self->problem, error);
}

char *
s3_answer_read_complete (GBytes *body, S3Problem *out_problem, GError **error)
{
  static const S3XmlHandler handler = { NULL, complete_end };
  Complete self = { .problem = out_problem };
  gboolean read = FALSE;

  problem_init (out_problem);
  read = read_body (body, &handler, &self, error);
  if (read && self.complete)
    return self.tag != NULL ? self.tag : g_strdup ("");
  g_free (self.tag);
  if (read && !self.refused)
    fail (error, "s3-complete", "the store's answer to the end of an upload is neither success nor error");
  return NULL;
}
