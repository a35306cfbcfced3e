#pragma once
#include "fake-server.h"
#include "proxy/teesql-proxy.h"
#include "test-client.h"
#include "unit/attest/fake-platform.h"

#define SECRET_READ       "1111111111111111111111111111111111111111111111111111111111111111"
#define SECRET_READWRITE  "2222222222222222222222222222222222222222222222222222222222222222"
#define SECRET_NEXT       "3333333333333333333333333333333333333333333333333333333333333333"
#define SECRET_REPLICATOR "4444444444444444444444444444444444444444444444444444444444444444"

/* A proxy with everything around it: attestation by fakes that the test owns, PostgreSQL by a fake too. */
typedef struct
{
  TeesqlClock *clock;
  TeesqlStatus *status;
  FakeAttester *attester;
  FakeVerifier *verifier;
  TeesqlAttestService *service;
  TeesqlTlsIdentity *client; /* what clients show */
  TeesqlSecret *roles_key;
  FakeServer *server;
  TeesqlConfig *config;
  TeesqlProxy *proxy;
  guint16 port;
} ProxyWorld;

/* @proxy_lines, @auth_lines: keys of `[proxy]` and `[auth]` */
void proxy_world_init (ProxyWorld *self, const char *proxy_lines, const char *auth_lines);
void proxy_world_init_without_backend (ProxyWorld *self);
void proxy_world_clear (ProxyWorld *self);
TeesqlConfig *proxy_world_make_config (ProxyWorld *self, const char *policy_lines, const char *proxy_lines, const char *auth_lines);
/* Runs @func on a thread of its own while the main context does its work. */
typedef void (*ProxyWorldFunc) (ProxyWorld *self);
void proxy_world_run (ProxyWorld *self, ProxyWorldFunc func);

void proxy_world_with (const char *proxy_lines, const char *auth_lines, ProxyWorldFunc func); /* in a world of its own */

/* For that thread. */
void proxy_world_assert_works (TestClient *client);
TestClient *proxy_world_connect_tls (ProxyWorld *self, gboolean with_certificate);
TestClient *proxy_world_log_in (ProxyWorld *self, const char *user, const char *secret); /* asserts that it works */
TestMessage proxy_world_try (ProxyWorld *self, const char *user, const char *secret);    /* what ends the login */
void proxy_world_wait (ProxyWorld *self, guint *field, guint value);                     /* of the fake server */
gint64 proxy_world_wait_gauge (ProxyWorld *self, TeesqlGauge gauge, gint64 value);
void proxy_world_wait_counter (ProxyWorld *self, TeesqlCounter counter, guint64 value);
