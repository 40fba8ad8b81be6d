// Asks two SOQL parsers of other makers whether they accept queries: a JSON array of texts in, pairs of booleans out.
// Run where both packages are installed; judge.py does so.
const { isQueryValid } = require("@jetstreamapp/soql-parser-js");
const { SOQLParser } = require("@salesforce/soql-common/lib/soql-parser");

const salesforce = SOQLParser({ isApex: false, isMultiCurrencyEnabled: false, apiVersion: 59.0 });
const queries = JSON.parse(require("fs").readFileSync(0, "utf8"));
const verdicts = queries.map((query) => [isQueryValid(query), salesforce.parseQuery(query).getSuccess()]);
process.stdout.write(JSON.stringify(verdicts));
