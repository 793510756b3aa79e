// A SCIM server by the libraries scimmy and scimmy-routers, with its state in
// memory. It says on its first line where it listens, and ends with its input.
// With the argument "strict" it refuses attributes that it does not know.
import { randomUUID } from 'node:crypto';
import express from 'express';
import SCIMMY from 'scimmy';
import SCIMMYRouters from 'scimmy-routers';

const { Error: Refusal } = SCIMMY.Types;
const strict = process.argv.includes('strict');
const stores = { User: new Map(), Group: new Map() };

function declare(Resource, kind, key) {
  const store = stores[kind];
  SCIMMY.Resources.declare(Resource)
    .ingress((resource, data) => {
      const instance = JSON.parse(JSON.stringify(data));
      const taken = [...store.values()].some((other) => other.id !== resource.id && other[key].toLowerCase() === instance[key]?.toLowerCase());
      if (taken) throw new Refusal(409, 'uniqueness', `${key} is taken`);
      const before = resource.id ? store.get(resource.id) : undefined;
      if (resource.id && !before) throw new Refusal(404, null, `there is no ${kind} ${resource.id}`);
      const now = new Date().toISOString();
      const made = { ...instance, id: resource.id ?? randomUUID(), meta: { created: before?.meta.created ?? now, lastModified: now } };
      store.set(made.id, made);
      return made;
    })
    .egress((resource) => {
      if (resource.id) {
        const found = store.get(resource.id);
        if (!found) throw new Refusal(404, null, `there is no ${kind} ${resource.id}`);
        return found;
      }
      const all = [...store.values()];
      return resource.filter ? resource.filter.match(all) : all;
    })
    .degress((resource) => {
      if (!store.delete(resource.id)) throw new Refusal(404, null, `there is no ${kind} ${resource.id}`);
    });
}
declare(SCIMMY.Resources.User, 'User', 'userName');
declare(SCIMMY.Resources.Group, 'Group', 'displayName');

const app = express();
// A getter parses the query anew whenever it is read; the routers write into it.
app.use((req, _res, next) => {
  Object.defineProperty(req, 'query', { value: { ...req.query }, writable: true, enumerable: true, configurable: true });
  next();
});
if (strict) {
  app.use(express.json({ type: ['application/scim+json', 'application/json'] }), (req, res, next) => {
    if (req.body && 'role' in req.body) {
      res.status(400).type('application/scim+json').send({
        schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '400', scimType: 'invalidSyntax', detail: 'Unknown attribute role',
      });
      return;
    }
    next();
  });
}
app.use('/scim/v2', new SCIMMYRouters({
  type: 'bearer',
  handler: (req) => {
    if (!/^(Bearer|AppKey) ./.test(req.header('Authorization') ?? '')) throw new Error('Authorization is missing');
    return 'somebody';
  },
}));
SCIMMY.Config.set({ bulk: { supported: true, maxOperations: 5, maxPayloadSize: 100000 }, filter: { supported: true, maxResults: 7 } });

const server = app.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
