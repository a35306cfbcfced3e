#pragma once
#include "simulator/teesql-simulator.h"
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* A simulator in this process and a client for it. Seeds are fixed: tests compare runs. */

/**
 * SimWorld:
 * @directory: short enough for sockets; removed by sim_world_free()
 */
typedef struct {
  char *directory;
  char *socket;
  char *control;
  TeesqlSimulator *simulator;
} SimWorld;

typedef struct {
  const char *machine;
  const char *compose;
  const char *image;
  const char *quote_version;
  const char *tcb_status;
  const char *misbehave; /* words with ; between them */
  guint8 seed;           /* byte that fills the seed */
  gboolean start;
} SimWorldOptions;

SimWorld *sim_world_new (const SimWorldOptions *options);
void sim_world_free (SimWorld *self);
TeesqlSecret *sim_seed_new (guint8 filler);
const TeesqlSimGuest *sim_world_guest (const SimWorld *self);

/**
 * SimAnswer:
 * @status: 0 when the connection ended without an answer
 */
typedef struct {
  guint status;
  char *body;
  gsize size;
  char *headers; /* as sent, in lower case */
} SimAnswer;

/* @address: a socket's path or `http://ADDR:PORT`; @head: request line and headers, without the blank line */
SimAnswer *sim_request (const char *address, const char *head, const char *body, gsize body_size);
SimAnswer *sim_get (const char *address, const char *target);
SimAnswer *sim_post (const char *address, const char *target, const char *json);
void sim_answer_free (SimAnswer *self);
JsonObject *sim_answer_object (const SimAnswer *self); /* (transfer full) */
const char *sim_json_string (JsonObject *object, const char *name);
/* g_assert_cmpmem() takes int */
void sim_assert_bytes (GBytes *bytes, const guint8 *expected, gsize expected_size);
GBytes *sim_json_bytes (JsonObject *object, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimWorld, sim_world_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimAnswer, sim_answer_free)
G_END_DECLS
