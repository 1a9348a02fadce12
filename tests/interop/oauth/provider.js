// An authority that is not ours (oidc-provider) and, behind it, the door of a mail server that takes the tokens it issued: HTTPS both.
//
//     node provider.js CERTIFICATE BEHIND PERSON PROGRAM
//
// CERTIFICATE is a PEM file with certificate and key, BEHIND the URL of an Exchange that takes name and password, PERSON and PROGRAM those
// ("name:password") of who shows a token that a person, or a program for itself, got.
// Prints {"issuer": …, "ews": …}. Below /test/ are levers for the one who tests.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import process from 'node:process';

import { Provider, errors } from 'oidc-provider';

const [certificate, behind, person, program] = process.argv.slice(2);
const pem = readFileSync(certificate);

const seen = { grants: {}, refused: 0, taken: 0, tooQuick: 0, rotated: 0, reused: 0, anchors: [] };
// How many of the next polls of a device are told to slow down, and when each device asked last.
let slowDowns = 0;
const polls = new Map();
let accessLives = 3600;

function listen(handler) {
  return new Promise((resolve) => {
    const server = https.createServer({ cert: pem, key: pem }, (request, response) => handler.now(request, response));
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

const [authority, door] = [{}, {}];
const [authorityPort, doorPort] = [await listen(authority), await listen(door)];
const issuer = `https://localhost:${authorityPort}`;
const device = 'urn:ietf:params:oauth:grant-type:device_code';

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'person',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', device],
      redirect_uris: ['http://127.0.0.1/'],
    },
    { client_id: 'program', client_secret: 'Program-Secret-9182', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  ],
  scopes: ['openid', 'offline_access', 'profile', 'ews'],
  claims: { openid: ['sub'], profile: ['preferred_username'] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
  features: { deviceFlow: { enabled: true }, clientCredentials: { enabled: true } },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: () => accessLives,
    ClientCredentials: () => accessLives,
    DeviceCode: 900, RefreshToken: 86400, Session: 3600, Grant: 86400, Interaction: 3600, IdToken: 3600,
  },
  cookies: { keys: ['only for tests'] },
});

// RFC 8628 §3.5, which the provider leaves to others: who polls too quickly is told to slow down.
provider.use(async (ctx, next) => {
  if (ctx.path !== '/token') {
    await next();
    return;
  }
  await next();
  const { grant_type: grant } = ctx.oidc?.params ?? {};
  seen.grants[grant] = (seen.grants[grant] ?? 0) + 1;
  if (grant === device && ctx.body?.error === 'authorization_pending') {
    const { device_code: code } = ctx.oidc.params;
    const before = polls.get(code) ?? { at: -Infinity, interval: 5000 };
    const now = Date.now();
    if (now - before.at < before.interval - 50) seen.tooQuick += 1;
    let { interval } = before;
    if (slowDowns > 0) {
      slowDowns -= 1;
      interval += 5000;
      const slow = new errors.SlowDown();
      ctx.status = slow.status;
      ctx.body = { error: slow.error, error_description: slow.error_description };
    }
    polls.set(code, { at: now, interval });
  }
});
provider.on('refresh_token.saved', () => { seen.rotated += 1; });
provider.on('grant.error', (ctx, error) => {
  if (/already used|already consumed/.test(error.error_detail ?? '')) seen.reused += 1;
});

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function test(path) {
  const [, , lever, value] = path.split('/');
  if (lever === 'slow') slowDowns = Number(value);
  if (lever === 'lives') accessLives = Number(value);
  if (lever === 'end') ended.add(lastToken);
  return { ...seen, pending: polls.size };
}

authority.now = async (request, response) => {
  if (request.url.startsWith('/test/')) {
    response.end(JSON.stringify(await test(request.url)));
    return;
  }
  provider.callback()(request, response);
};

const ended = new Set();
let lastToken;

/** With which name and password a token goes on; nothing where it is not good. */
async function passes(token) {
  if (ended.has(token)) return undefined;
  const isGood = (found) => found?.isValid && found.scope?.split(' ').includes('ews');
  if (isGood(await provider.AccessToken.find(token))) return person;
  return isGood(await provider.ClientCredentials.find(token)) ? program : undefined;
}

door.now = async (request, response) => {
  const body = await bodyOf(request);
  const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
  const basic = token && await passes(token);
  if (!basic) {
    seen.refused += 1;
    response.writeHead(401, { 'WWW-Authenticate': `Bearer realm="${issuer}", error="invalid_token"` }).end();
    return;
  }
  seen.taken += 1;
  const anchor = request.headers['x-anchormailbox'];
  if (basic === program && !seen.anchors.includes(anchor)) seen.anchors.push(anchor);
  lastToken = token;
  const headers = { ...request.headers, authorization: `Basic ${Buffer.from(basic).toString('base64')}` };
  delete headers.host;
  const passed = http.request(behind, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  passed.on('error', () => response.destroy());
  passed.end(body);
};

console.log(JSON.stringify({ issuer, ews: `https://localhost:${doorPort}/EWS/Exchange.asmx` }));
