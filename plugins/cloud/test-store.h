#pragma once
/* A server that says what it is told to, byte for byte, on 127.0.0.1. Each connection has a thread of its own. */
#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  char *line; /* `GET /path?query HTTP/1.1` */
  char *head; /* line and headers */
  GBytes *body;
} TestRequest;

/**
 * TestAnswerFunc:
 * @number: of the request, from 0
 *
 * runs in the connection's thread, one at a time.
 *
 * Returns: (transfer full) (nullable): the raw answer; %NULL closes without one, and the text TEST_HANG never answers. Behind an answer
 *   whose text has `Connection: close`, the connection is closed
 */
typedef char *(*TestAnswerFunc) (const TestRequest *request, guint number, gpointer user_data);

#define TEST_HANG "hang"

typedef struct
{
  GSocketService *service;
  char *url; /* http://127.0.0.1:PORT */
  guint16 port;
  TestAnswerFunc answer;
  gpointer user_data;
  const char *refuse; /* raw answer to whoever asks with Expect */
  GMutex mutex;
  GCond cond;
  GPtrArray *requests; /* of TestRequest */
  guint n_connections;
  guint n_live;
  gboolean ending;
} TestStore;

TestStore *test_store_new (TestAnswerFunc answer, gpointer user_data);
void test_store_free (TestStore *self);
guint test_store_count (TestStore *self);
/* borrowed; fails the test when there is none */
const TestRequest *test_store_request (TestStore *self, guint number);
/* (nullable): a header's value; newly allocated */
char *test_request_header (const TestRequest *request, const char *name);
/* `HTTP/1.1 STATUS X`, @headers (lines that end with \r\n, or ""), Content-Length, @body */
char *test_answer (guint status, const char *headers, const char *body);

/* turns the main loop until @place is set, at most 10 s */
GAsyncResult *test_wait (GAsyncResult **place);
void test_keep (GObject *source, GAsyncResult *result, gpointer user_data);
void test_until (gboolean (*condition) (gpointer data), gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestStore, test_store_free)
G_END_DECLS
