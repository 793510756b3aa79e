// Takes discovery, token, introspection and revocation with the OAuth libraries
// of two other houses: node check.mjs ADDRESS CLIENT_ID CLIENT_SECRET.
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { OAuth2Client } from '@badgateway/oauth2-client';

const [address, clientId, clientSecret] = process.argv.slice(2);
const plain = { [oauth.allowInsecureRequests]: true };

async function strict(authentication) {
  const issuer = new URL(address);
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  assert.deepEqual(server.grant_types_supported, ['client_credentials']);
  assert.ok(server.scopes_supported.includes('flows:read'));

  const client = { client_id: clientId };
  const ask = async (scope, by = authentication) =>
    oauth.processClientCredentialsResponse(server, client,
      await oauth.clientCredentialsGrantRequest(server, client, by, new URLSearchParams({ scope }), plain));
  const token = await ask('flows:read');
  assert.equal(token.token_type, 'bearer');
  assert.equal(token.scope, 'flows:read');
  assert.equal(token.expires_in, 900);

  await assert.rejects(ask('audit:read'), (e) => e instanceof oauth.ResponseBodyError && e.error === 'invalid_scope' && e.status === 400);
  for (const wrong of [oauth.ClientSecretPost('wrong'), oauth.ClientSecretBasic('wrong')]) {
    await assert.rejects(ask('flows:read', wrong),
      (e) => e instanceof oauth.WWWAuthenticateChallengeError && e.status === 401 && e.cause[0].scheme === 'basic');
  }

  const request = new Request(new URL('/v1/flows', address), { headers: { authorization: `Bearer ${token.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, server.issuer, plain);
  assert.equal(claims.client_id, clientId);

  const introspect = async () => oauth.processIntrospectionResponse(server, client,
    await oauth.introspectionRequest(server, client, authentication, token.access_token, plain));
  const told = await introspect();
  assert.equal(told.active, true);
  assert.equal(told.client_id, clientId);
  assert.equal(told.iss, server.issuer);

  const flows = () => oauth.protectedResourceRequest(token.access_token, 'GET', new URL('/v1/flows', address), undefined, undefined, plain);
  assert.equal((await flows()).status, 200);
  for (let i = 0; i < 2; i++) {
    await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, token.access_token, plain));
  }
  assert.deepEqual(await introspect(), { active: false });
  await assert.rejects(flows(), (e) => e instanceof oauth.WWWAuthenticateChallengeError && e.cause[0].parameters.error === 'invalid_token');
}

async function small(authenticationMethod) {
  const client = new OAuth2Client({
    server: address, clientId, clientSecret, authenticationMethod, discoveryEndpoint: '/.well-known/oauth-authorization-server',
  });
  const token = await client.clientCredentials({ scope: ['flows:read', 'flows:run'] });
  assert.ok(token.expiresAt > Date.now());
  const told = await client.introspect(token);
  assert.equal(told.active, true);
  assert.equal(told.scope, 'flows:read flows:run');
  await client.revoke(token);
  assert.deepEqual(await client.introspect(token), { active: false });
  await assert.rejects(client.clientCredentials({ scope: ['audit:read'] }), (e) => e.oauth2Code === 'invalid_scope');
}

await strict(oauth.ClientSecretBasic(clientSecret));
await strict(oauth.ClientSecretPost(clientSecret));
await small('client_secret_basic');
await small('client_secret_post');
console.log('discovery, token, introspection and revocation: complete');
