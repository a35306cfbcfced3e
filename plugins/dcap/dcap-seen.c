#include "dcap-seen.h"

#include "dcap-lru.h"

struct _DcapSeen
{
  GMutex lock;
  DcapLru *pairs;
};

static void
nothing_to_free (gpointer value)
{
}

DcapSeen *
dcap_seen_new (guint max)
{
  DcapSeen *self = g_new0 (DcapSeen, 1);

  g_mutex_init (&self->lock);
  self->pairs = dcap_lru_new (max, nothing_to_free);
  return self;
}

void
dcap_seen_free (DcapSeen *self)
{
  dcap_lru_free (self->pairs);
  g_mutex_clear (&self->lock);
  g_free (self);
}

gboolean
dcap_seen_contains (DcapSeen *self, const guint8 pair[32])
{
  g_mutex_lock (&self->lock);
  gboolean found = dcap_lru_get (self->pairs, pair) != NULL;
  g_mutex_unlock (&self->lock);
  return found;
}

void
dcap_seen_add (DcapSeen *self, const guint8 pair[32])
{
  g_mutex_lock (&self->lock);
  dcap_lru_put (self->pairs, pair, self);
  g_mutex_unlock (&self->lock);
}
