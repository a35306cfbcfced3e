#include "dcap-memory.h"

#include "base/teesql-digest.h"
#include "dcap-lru.h"

/* a platform keeps a few KiB, a fact up to a few hundred (4 MiB for the largest CRL) */
#define MAX_PLATFORMS 1024
#define MAX_FACTS     64
#define MAX_SEEN      2048

struct _DcapMemory
{
  gatomicrefcount ref_count;
  DcapTrust trust;
  GMutex lock;
  DcapLru *platforms;
  DcapLru *facts;
};

DcapMemory *
dcap_memory_new (const DcapTrust *trust)
{
  DcapMemory *self = g_new0 (DcapMemory, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->trust = *trust;
  self->trust.seen = dcap_seen_new (MAX_SEEN);
  g_mutex_init (&self->lock);
  self->platforms = dcap_lru_new (MAX_PLATFORMS, (GDestroyNotify) dcap_platform_unref);
  self->facts = dcap_lru_new (MAX_FACTS, (GDestroyNotify) dcap_fact_unref);
  return self;
}

DcapMemory *
dcap_memory_ref (DcapMemory *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
dcap_memory_unref (DcapMemory *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  dcap_lru_free (self->platforms);
  dcap_lru_free (self->facts);
  dcap_seen_free (self->trust.seen);
  g_mutex_clear (&self->lock);
  g_free (self);
}

const DcapTrust *
dcap_memory_get_trust (const DcapMemory *self)
{
  return &self->trust;
}

DcapPlatform *
dcap_memory_prove_platform (DcapMemory *self, const guint8 *pem, gsize size, GError **error)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;

  teesql_digest_bytes (TEESQL_DIGEST_SHA256, digest, pem, size);
  locker = g_mutex_locker_new (&self->lock);
  DcapPlatform *platform = dcap_lru_get (self->platforms, digest);
  if (platform != NULL)
    return dcap_platform_ref (platform);
  g_clear_pointer (&locker, g_mutex_locker_free);
  platform = dcap_platform_prove (pem, size, &self->trust, error);
  if (platform == NULL)
    return NULL;
  locker = g_mutex_locker_new (&self->lock);
  dcap_lru_put (self->platforms, digest, dcap_platform_ref (platform));
  return platform;
}

DcapFact *
dcap_memory_prove_fact (DcapMemory *self, DcapItem *item, GError **error)
{
  guint8 digest[TEESQL_SHA256_SIZE];
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = NULL;

  dcap_item_digest (item, digest);
  locker = g_mutex_locker_new (&self->lock);
  DcapFact *fact = dcap_lru_get (self->facts, digest);
  if (fact != NULL)
    return dcap_fact_ref (fact);
  g_clear_pointer (&locker, g_mutex_locker_free);
  fact = dcap_fact_prove (item, &self->trust, error);
  if (fact == NULL)
    return NULL;
  locker = g_mutex_locker_new (&self->lock);
  dcap_lru_put (self->facts, digest, dcap_fact_ref (fact));
  return fact;
}
