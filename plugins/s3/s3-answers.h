#pragma once
#include <teesql/teesql-object-info.h>
#include <teesql/teesql-error.h>

G_BEGIN_DECLS

/* What stores answer, read strictly: pure functions over bytes. */

#define S3_LIST_MAX ((gsize) 4 << 20) /* a page of 1,000 names of 1,024 bytes, each byte escaped, has 3.5 MiB */

/**
 * S3Problem:
 *
 * an `<Error>`; "" where a part is missing. Foreign text: quote it.
 */
typedef struct
{
  char *code;
  char *message;
  char *region;
  char *request_id;
} S3Problem;

void s3_problem_clear (S3Problem *self);
/* Never fails: what is no such answer leaves everything "". */
void s3_answer_read_problem (GBytes *body, S3Problem *out_problem);

/**
 * s3_answer_read_list:
 * @below: our own prefix, cut off from the names
 * @prefix: what the names must begin with: @below and what was asked for
 * @after: names must stand behind this one
 * @max: names at most
 *
 * Names that cannot be ours are left out. Reasons: `s3-xml`, `s3-list`.
 */
TeesqlObjectPage *s3_answer_read_list (GBytes *body, const char *below, const char *prefix, const char *after, guint max,
                                       GError **error) TEESQL_MUST_USE;
/* The token of the next page begins with `k` and a name to go on behind, or with `c` and the store's own token. */
char *s3_answer_read_upload_id (GBytes *body, GError **error) TEESQL_MUST_USE;
/**
 * s3_answer_read_complete:
 * @out_problem: filled where the answer of status 200 is an error after all
 *
 * Returns: (transfer full) (nullable): the ETag; %NULL with @out_problem filled, or with @error where it is neither
 */
char *s3_answer_read_complete (GBytes *body, S3Problem *out_problem, GError **error) TEESQL_MUST_USE;

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (S3Problem, s3_problem_clear)
G_END_DECLS
