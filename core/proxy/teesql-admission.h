#pragma once
#include "status/teesql-status.h"
#include <sys/socket.h>

G_BEGIN_DECLS

/**
 * TeesqlAdmission:
 *
 * counts connections of all workers: before authentication, in total and per address, and sessions after it, in total and per role.
 * Thread safe.
 */
typedef struct _TeesqlAdmission TeesqlAdmission;
typedef struct _TeesqlTicket TeesqlTicket;

/**
 * TeesqlTicketFunc:
 *
 * called by whichever thread caused it, under the lock of the admission: it may only take a reference and post to its own worker
 */
typedef void (*TeesqlTicketFunc) (TeesqlTicket *ticket, gpointer user_data);

typedef enum
{
  TEESQL_TICKET_NONE,    /* not counted */
  TEESQL_TICKET_PENDING, /* has not finished TLS, or was refused: may be shed */
  TEESQL_TICKET_SHAKEN,  /* has */
  TEESQL_TICKET_WAITING, /* authenticated, and there is no room */
  TEESQL_TICKET_ADMITTED,
} TeesqlTicketState;

/**
 * TeesqlTicket:
 * @shed: the connection must go to make room for a newer one; it is not counted any more
 * @granted: the wait is over
 *
 * a connection's place, embedded in it. The owner sets the three first members.
 */
struct _TeesqlTicket
{
  TeesqlTicketFunc shed;
  TeesqlTicketFunc granted;
  gpointer user_data;
  /*< private >*/
  TeesqlTicketState state;
  guint64 address[2];
  GList oldest;  /* among those that may be shed */
  GList nearest; /* the same of its address; or among those that wait */
  const char *role;
  guint role_max;
};

TeesqlAdmission *teesql_admission_new (TeesqlStatus *status) G_GNUC_WARN_UNUSED_RESULT;
void teesql_admission_free (TeesqlAdmission *self);
void teesql_admission_set_limits (TeesqlAdmission *self, guint max_pending, guint max_pending_per_address, guint max_sessions);
/**
 * teesql_admission_enter:
 * @address: of the peer; IPv6 counts by /64, which is what one subscriber has
 *
 * where there is no room the oldest that has not finished TLS is shed, of its own address first
 *
 * Returns: %FALSE where nobody can be: close the connection
 */
gboolean teesql_admission_enter (TeesqlAdmission *self, TeesqlTicket *ticket, const struct sockaddr *address) G_GNUC_WARN_UNUSED_RESULT;
void teesql_admission_set_shaken (TeesqlAdmission *self, TeesqlTicket *ticket);
/**
 * teesql_admission_admit:
 * @role: stays valid while the ticket is counted
 * @role_max: 0 for no bound
 *
 * Returns: %FALSE: wait for @granted
 */
gboolean teesql_admission_admit (TeesqlAdmission *self, TeesqlTicket *ticket, const char *role, guint role_max) G_GNUC_WARN_UNUSED_RESULT;
/**
 * teesql_admission_set_parting:
 *
 * only last words are left: a session is not counted any more, and a stranger, who could sit there, may be shed again
 */
void teesql_admission_set_parting (TeesqlAdmission *self, TeesqlTicket *ticket);
void teesql_admission_leave (TeesqlAdmission *self, TeesqlTicket *ticket); /* any state; no callback begins afterwards */
/**
 * teesql_admission_shed_oldest:
 *
 * for want of descriptors
 */
void teesql_admission_shed_oldest (TeesqlAdmission *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TeesqlAdmission, teesql_admission_free)
G_END_DECLS
