#pragma once
#include <gio/gio.h>

/* A guest agent on a unix socket that answers from a script, in threads of its own. For tests only. */
typedef struct _FakeAgent FakeAgent;

typedef enum
{
  FAKE_ANSWER, /* send it and close */
  FAKE_BYTES,  /* send it byte by byte, and close */
  FAKE_HANG,   /* send it, then wait until the client has gone */
} FakeKind;

FakeAgent *fake_agent_new (void);
void fake_agent_free (FakeAgent *self);
const char *fake_agent_get_path (FakeAgent *self);
/* raw bytes of the whole HTTP answer to @method; copied */
void fake_agent_script (FakeAgent *self, const char *method, FakeKind kind, const char *bytes, gsize size);
/* an answer with Content-Length */
void fake_agent_script_json (FakeAgent *self, const char *method, guint status, const char *body);
/* (transfer full): body of the last request of @method, NULL when there was none */
char *fake_agent_dup_request (FakeAgent *self, const char *method);
guint fake_agent_count (FakeAgent *self, const char *method);
guint fake_agent_count_open (FakeAgent *self); /* connections that have not ended */
/* iterates the main context until the condition holds or 30 s have passed, which fails the test */
#define fake_wait_for(condition)                                                                                                           \
  G_STMT_START                                                                                                                             \
  {                                                                                                                                        \
    const gint64 fake_deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;                                                            \
    while (!(condition))                                                                                                                   \
      {                                                                                                                                    \
        g_assert_cmpint (g_get_monotonic_time (), <, fake_deadline);                                                                       \
        if (!g_main_context_iteration (NULL, FALSE))                                                                                       \
          g_thread_yield ();                                                                                                               \
      }                                                                                                                                    \
  }                                                                                                                                        \
  G_STMT_END

G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeAgent, fake_agent_free)
