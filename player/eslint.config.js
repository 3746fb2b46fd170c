import js from "@eslint/js";
import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import { importX } from "eslint-plugin-import-x";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

// The folders of src/, from top to bottom: a folder imports from those below it, never from above or beside it.
const LAYERS = [
  ["pages", "embed", "dashboard"],
  ["panel"],
  ["ui"],
  ["hls"],
  ["station"],
  ["engine"],
  ["room"],
  ["webrtc"],
  ["protocol"],
];
// what the entry points may still share: the dashboard and embed pages use both
const BESIDE = { pages: ["embed"], embed: [], dashboard: [] };

const zones = LAYERS.flatMap((layer, depth) =>
  layer.map((folder) => ({
    target: `./src/${folder}`,
    from: [
      ...LAYERS.slice(0, depth).flat(),
      ...layer.filter((other) => other !== folder && !(BESIDE[folder] ?? []).includes(other)),
    ].map((other) => `./src/${other}`),
    message: "Imports go one way: see LAYERS in eslint.config.js.",
  })),
);

export default defineConfig(
  { ignores: ["node_modules/", "eslint.config.js"] },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [createTypeScriptImportResolver()] },
    languageOptions: {
      parserOptions: {
        projectService: {
          allowDefaultProject: ["vite.config.ts", "vite.element.config.ts"],
        },
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "import-x/no-cycle": "error",
      "import-x/no-restricted-paths": ["error", { zones }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
);
