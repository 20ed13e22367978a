// A real OpenID provider (npm oidc-provider by panva), for Salus to sign people in with.
// PORT: where it listens; SALUS_URL: the console. Anybody may sign in under any name.
import { createRequire } from "node:module";

const home = process.env.SALUS_REAL_HOME || `${process.env.HOME}/.cache/salus/real`;
const { Provider } = await import(createRequire(`${home}/npm/`).resolve("oidc-provider"));

const provider = new Provider(`http://127.0.0.1:${process.env.PORT}`, {
  clients: [{
    client_id: "salus",
    client_secret: "a secret of the provider's & ours",
    redirect_uris: [`${process.env.SALUS_URL}/sign-in/sso/back`],
    grant_types: ["authorization_code"],
    response_types: ["code"],
  }],
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "auth_time"], profile: ["name", "preferred_username", "groups"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, name: `${id} of the provider`, groups: ["icu-nurses"] }),
  }),
  cookies: { keys: ["only for a test"] },
});
provider.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
