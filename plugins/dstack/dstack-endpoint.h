#pragma once
#include <teesql/teesql-error.h>

/**
 * DstackEndpoint:
 * @address: where to connect
 * @path: prefix of the request's target, `` or `/base`
 * @host: value of the Host header
 * @taint: (nullable): why keys and evidence from there are no production trust
 * @name: for messages
 *
 * where the guest agent answers. Plain struct.
 */
typedef struct
{
  GSocketConnectable *address;
  char *path;
  char *host;
  char *taint;
  char *name;
} DstackEndpoint;

/* The surroundings that decide: the kernel's in the plugin, invented ones in tests. */
typedef struct
{
  const char *(*get_environment) (const char *name);
  gboolean (*exists) (const char *path);
} DstackSurroundings;

/**
 * dstack_endpoint_new:
 * @configured: `auto`, absolute path of a socket, or `http://…`
 * @surroundings: (nullable): %NULL: this machine's
 *
 * `auto` is the search order of the SDKs: DSTACK_SIMULATOR_ENDPOINT (never beside a real TDX device), then the known sockets.
 * Errors: CONFIG, or UNAVAILABLE when no socket is there yet, in @domain.
 */
DstackEndpoint *dstack_endpoint_new (const char *configured, const DstackSurroundings *surroundings, GQuark domain, GError **error)
    G_GNUC_WARN_UNUSED_RESULT;
void dstack_endpoint_free (DstackEndpoint *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DstackEndpoint, dstack_endpoint_free)
