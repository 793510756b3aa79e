// Reads cases with our own results, and says where the libraries of other houses come to others.
import { readFileSync } from 'node:fs';
import { deepStrictEqual } from 'node:assert';
import { parse, filter } from 'scim2-parse-filter';
import { scimPatch } from 'scim-patch';

const cases = JSON.parse(readFileSync(0, 'utf8'));
let differences = 0;
const tell = (what, ours, theirs) => {
  differences++;
  console.log(`${what}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`);
};
for (const c of cases.filters) {
  let theirs;
  try {
    theirs = [c.resource].filter(filter(parse(c.filter))).length === 1;
  } catch (e) {
    theirs = `refused: ${e.message}`;
  }
  if (c.refused ? typeof theirs !== 'string' : theirs !== c.matches) {
    tell(c.filter, c.refused ? 'refused' : c.matches, theirs);
  }
}
for (const c of cases.patches) {
  let theirs;
  try {
    theirs = scimPatch(structuredClone(c.resource), c.operations);
    deepStrictEqual(theirs, c.result);
  } catch (e) {
    tell(JSON.stringify(c.operations), c.result, theirs ?? e.message);
  }
}
console.log(differences === 0 ? `complete: ${cases.filters.length} filters, ${cases.patches.length} patches` : `${differences} differences`);
process.exit(differences === 0 ? 0 : 1);
