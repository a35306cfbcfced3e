#include "proxy/teesql-admission.h"

#include <netinet/in.h>
#include <string.h>

struct _TeesqlAdmission
{
  GMutex mutex;
  TeesqlStatus *status;
  guint max_pending;
  guint max_pending_per_address;
  guint max_sessions;
  guint n_pending;
  guint n_sessions;
  GQueue oldest;         /* may be shed, in the order they came */
  GQueue waiting;        /* in the order they were authenticated */
  GHashTable *addresses; /* Address */
  GHashTable *roles;     /* name -> number of sessions */
};

typedef struct
{
  guint64 key[2];
  guint n;
  GQueue oldest;
} Address;

static guint
address_hash (gconstpointer data)
{
  const guint64 *key = data;

  return g_int64_hash (&key[0]) ^ (g_int64_hash (&key[1]) * 31);
}

static gboolean
address_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, 2 * sizeof (guint64)) == 0;
}

TeesqlAdmission *
teesql_admission_new (TeesqlStatus *status)
{
  TeesqlAdmission *self = g_new0 (TeesqlAdmission, 1);

  g_mutex_init (&self->mutex);
  self->status = g_object_ref (status);
  self->max_pending = G_MAXUINT;
  self->max_pending_per_address = G_MAXUINT;
  self->max_sessions = G_MAXUINT;
  g_queue_init (&self->oldest);
  g_queue_init (&self->waiting);
  self->addresses = g_hash_table_new_full (address_hash, address_equal, NULL, g_free);
  self->roles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
teesql_admission_free (TeesqlAdmission *self)
{
  g_warn_if_fail (self->n_pending == 0 && self->n_sessions == 0);
  g_hash_table_unref (self->addresses);
  g_hash_table_unref (self->roles);
  g_object_unref (self->status);
  g_mutex_clear (&self->mutex);
  g_free (self);
}

static void
ticket_set_address (TeesqlTicket *ticket, const struct sockaddr *address)
{
  struct sockaddr_in in;
  struct sockaddr_in6 in6;

  ticket->address[0] = address->sa_family;
  ticket->address[1] = 0;
  if (address->sa_family == AF_INET)
    {
      memcpy (&in, address, sizeof in); /* the kernel filled a whole sockaddr_storage */
      ticket->address[1] = in.sin_addr.s_addr;
    }
  else if (address->sa_family == AF_INET6)
    {
      memcpy (&in6, address, sizeof in6);
      if (IN6_IS_ADDR_V4MAPPED (&in6.sin6_addr))
        ticket->address[1] = in6.sin6_addr.s6_addr32[3];
      else
        memcpy (&ticket->address[1], in6.sin6_addr.s6_addr, sizeof (guint64));
    }
}

static Address *
admission_get_address (TeesqlAdmission *self, const TeesqlTicket *ticket)
{
  Address *address = g_hash_table_lookup (self->addresses, ticket->address);

  if (address != NULL)
    return address;
  address = g_new0 (Address, 1);
  memcpy (address->key, ticket->address, sizeof address->key);
  g_queue_init (&address->oldest);
  g_hash_table_add (self->addresses, address);
  return address;
}

/* Those that may be shed. */
static void
admission_list (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  Address *address = g_hash_table_lookup (self->addresses, ticket->address);

  ticket->oldest = (GList){ .data = ticket };
  ticket->nearest = (GList){ .data = ticket };
  g_queue_push_tail_link (&self->oldest, &ticket->oldest);
  g_queue_push_tail_link (&address->oldest, &ticket->nearest);
  ticket->state = TEESQL_TICKET_PENDING;
}

static void
admission_unlist (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  Address *address = g_hash_table_lookup (self->addresses, ticket->address);

  g_queue_unlink (&self->oldest, &ticket->oldest);
  g_queue_unlink (&address->oldest, &ticket->nearest);
}

static void
admission_uncount_pending (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  Address *address = g_hash_table_lookup (self->addresses, ticket->address);

  self->n_pending--;
  teesql_status_gauge_add (self->status, TEESQL_GAUGE_PENDING, -1);
  if (--address->n == 0)
    g_hash_table_remove (self->addresses, address);
}

static gboolean
admission_shed (TeesqlAdmission *self, GQueue *queue)
{
  TeesqlTicket *ticket = g_queue_peek_head (queue);

  if (ticket == NULL)
    return FALSE;
  admission_unlist (self, ticket);
  admission_uncount_pending (self, ticket);
  ticket->state = TEESQL_TICKET_NONE;
  teesql_status_count (self->status, TEESQL_COUNTER_SHED, 1);
  ticket->shed (ticket, ticket->user_data);
  return TRUE;
}

static gboolean
admission_make_room (TeesqlAdmission *self, const TeesqlTicket *ticket)
{
  Address *address = g_hash_table_lookup (self->addresses, ticket->address);

  if (address != NULL && address->n >= self->max_pending_per_address && !admission_shed (self, &address->oldest))
    return FALSE;
  return self->n_pending < self->max_pending || admission_shed (self, &self->oldest);
}

gboolean
teesql_admission_enter (TeesqlAdmission *self, TeesqlTicket *ticket, const struct sockaddr *peer)
{
  gboolean entered;

  g_return_val_if_fail (ticket->state == TEESQL_TICKET_NONE, FALSE);
  ticket_set_address (ticket, peer);
  g_mutex_lock (&self->mutex);
  entered = admission_make_room (self, ticket);
  if (entered)
    {
      admission_get_address (self, ticket)->n++;
      self->n_pending++;
      admission_list (self, ticket);
      teesql_status_gauge_add (self->status, TEESQL_GAUGE_PENDING, 1);
    }
  else
    teesql_status_count (self->status, TEESQL_COUNTER_SHED, 1);
  g_mutex_unlock (&self->mutex);
  return entered;
}

void
teesql_admission_set_shaken (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  g_mutex_lock (&self->mutex);
  if (ticket->state == TEESQL_TICKET_PENDING)
    {
      admission_unlist (self, ticket);
      ticket->state = TEESQL_TICKET_SHAKEN;
    }
  g_mutex_unlock (&self->mutex);
}

static guint
admission_get_role_count (TeesqlAdmission *self, const char *role)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->roles, role));
}

static gboolean
admission_has_room (TeesqlAdmission *self, const TeesqlTicket *ticket)
{
  return self->n_sessions < self->max_sessions &&
         (ticket->role_max == 0 || admission_get_role_count (self, ticket->role) < ticket->role_max);
}

static void
admission_count_session (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  admission_uncount_pending (self, ticket);
  self->n_sessions++;
  g_hash_table_insert (self->roles, g_strdup (ticket->role), GUINT_TO_POINTER (admission_get_role_count (self, ticket->role) + 1));
  ticket->state = TEESQL_TICKET_ADMITTED;
  teesql_status_gauge_add (self->status, TEESQL_GAUGE_SESSIONS, 1);
}

gboolean
teesql_admission_admit (TeesqlAdmission *self, TeesqlTicket *ticket, const char *role, guint role_max)
{
  gboolean admitted;

  g_return_val_if_fail (ticket->state == TEESQL_TICKET_SHAKEN, FALSE);
  ticket->role = role;
  ticket->role_max = role_max;
  g_mutex_lock (&self->mutex);
  admitted = admission_has_room (self, ticket);
  if (admitted)
    admission_count_session (self, ticket);
  else
    {
      ticket->nearest = (GList){ .data = ticket };
      g_queue_push_tail_link (&self->waiting, &ticket->nearest);
      ticket->state = TEESQL_TICKET_WAITING;
    }
  g_mutex_unlock (&self->mutex);
  return admitted;
}

/* The first that fits: one whose role is full does not hold up the others. */
static void
admission_grant_next (TeesqlAdmission *self)
{
  GList *next;

  for (GList *link = self->waiting.head; link != NULL; link = next)
    {
      TeesqlTicket *ticket = link->data;

      next = link->next;
      if (!admission_has_room (self, ticket))
        continue;
      g_queue_unlink (&self->waiting, link);
      admission_count_session (self, ticket);
      ticket->granted (ticket, ticket->user_data);
    }
}

void
teesql_admission_set_limits (TeesqlAdmission *self, guint max_pending, guint max_pending_per_address, guint max_sessions)
{
  g_mutex_lock (&self->mutex);
  self->max_pending = max_pending;
  self->max_pending_per_address = max_pending_per_address;
  self->max_sessions = max_sessions;
  admission_grant_next (self); /* a reload may have made room */
  g_mutex_unlock (&self->mutex);
}

static void
admission_uncount_session (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  guint n = admission_get_role_count (self, ticket->role);

  self->n_sessions--;
  if (n > 1)
    g_hash_table_insert (self->roles, g_strdup (ticket->role), GUINT_TO_POINTER (n - 1));
  else
    g_hash_table_remove (self->roles, ticket->role);
  teesql_status_gauge_add (self->status, TEESQL_GAUGE_SESSIONS, -1);
}

/* Under the lock. */
static void
admission_leave (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  switch (ticket->state)
    {
    case TEESQL_TICKET_NONE:
      break;
    case TEESQL_TICKET_PENDING:
      admission_unlist (self, ticket);
      admission_uncount_pending (self, ticket);
      break;
    case TEESQL_TICKET_SHAKEN:
      admission_uncount_pending (self, ticket);
      break;
    case TEESQL_TICKET_WAITING:
      g_queue_unlink (&self->waiting, &ticket->nearest);
      admission_uncount_pending (self, ticket);
      break;
    case TEESQL_TICKET_ADMITTED:
      admission_uncount_session (self, ticket);
      admission_grant_next (self);
      break;
    }
  ticket->state = TEESQL_TICKET_NONE;
}

void
teesql_admission_leave (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  g_mutex_lock (&self->mutex);
  admission_leave (self, ticket);
  g_mutex_unlock (&self->mutex);
}

void
teesql_admission_set_parting (TeesqlAdmission *self, TeesqlTicket *ticket)
{
  g_mutex_lock (&self->mutex);
  if (ticket->state == TEESQL_TICKET_WAITING)
    {
      g_queue_unlink (&self->waiting, &ticket->nearest);
      ticket->state = TEESQL_TICKET_SHAKEN;
    }
  if (ticket->state == TEESQL_TICKET_SHAKEN)
    admission_list (self, ticket);
  else if (ticket->state == TEESQL_TICKET_ADMITTED)
    admission_leave (self, ticket);
  g_mutex_unlock (&self->mutex);
}

void
teesql_admission_shed_oldest (TeesqlAdmission *self)
{
  g_mutex_lock (&self->mutex);
  admission_shed (self, &self->oldest);
  g_mutex_unlock (&self->mutex);
}
