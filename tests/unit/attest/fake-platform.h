#pragma once
#include <teesql/teesql-attester.h>
#include <teesql/teesql-kms.h>
#include <teesql/teesql-verifier.h>

/* An attester, a verifier and a KMS that do what a test says. They live here and nowhere else (style 4): the verifier believes
 * every quote, and nothing that is installed may. */

#define FAKE_EVENT_COMPOSE "c143116fef3940e7f776bfc0919c256232ae5338a6e948c96b711e0b2383483a"

/* How a call ends. */
typedef enum
{
  FAKE_OK,
  FAKE_ERROR, /* with `code` and `reason` */
  FAKE_NULL,  /* neither value nor error: a broken plugin */
  FAKE_HOLD,  /* waits for fake_*_release (), heeds cancellation */
  FAKE_DEAF,  /* waits for fake_*_release (), whatever is cancelled */
} FakeMode;

#define FAKE_TYPE_VERIFIER (fake_verifier_get_type ())
G_DECLARE_FINAL_TYPE (FakeVerifier, fake_verifier, FAKE, VERIFIER, GObject)
struct _FakeVerifier
{
  GObject parent_instance;
  FakeMode mode;
  TeesqlError code;
  const char *reason;
  const char *taint;
  gboolean intel;    /* claims rest on Intel's root */
  const char *ppid;  /* 16 bytes, NULL for none */
  const char *fmspc; /* 6 bytes */
  gint64 issued_at;
  gint64 valid_until;
  gint64 revision;
  TeesqlTcbStatus status;
  guint n_calls;
  gint64 last_now;
  GPtrArray *held; /* GTask */
};
FakeVerifier *fake_verifier_new (void);
void fake_verifier_release (FakeVerifier *self);

#define FAKE_TYPE_ATTESTER (fake_attester_get_type ())
G_DECLARE_FINAL_TYPE (FakeAttester, fake_attester, FAKE, ATTESTER, GObject)
struct _FakeAttester
{
  GObject parent_instance;
  FakeMode mode;
  TeesqlError code;
  const char *reason;
  const char *taint;
  gboolean gives_identity; /* has get_tls_identity */
  gint64 own_not_after;    /* unless 0, instead of the date asked for */
  gboolean wrong_binding;
  gboolean drop_event; /* of the log, after the register was extended */
  guint n_quotes;
  guint n_running;
  guint max_running;
  GString *order; /* first byte of each report data, in hex: who came when */
  GPtrArray *held;
};
FakeAttester *fake_attester_new (void);
void fake_attester_release (FakeAttester *self);

#define FAKE_TYPE_KMS (fake_kms_get_type ())
G_DECLARE_FINAL_TYPE (FakeKms, fake_kms, FAKE, KMS, GObject)
struct _FakeKms
{
  GObject parent_instance;
  const char *taint;
  GError *error; /* of every call */
  char *last;    /* `path purpose` */
};
FakeKms *fake_kms_new (void);

/* A leaf as the fake attester makes them. */
typedef struct
{
  gint64 not_before;
  gint64 not_after;
  gboolean other_key;   /* evidence made for another key: a captured quote */
  gboolean zero_report; /* REPORTDATA all zero, in quote and envelope */
  gboolean drop_event;
  guint n_more_events; /* of the application, after the boot */
} FakeLeaf;
GBytes *fake_leaf_new (const FakeLeaf *options);
/* (transfer full): evidence over @report_data, with the boot events and a register 3 that fits them */
TeesqlEvidence *fake_evidence_new (const guint8 *report_data, gboolean drop_event, guint n_more_events);
