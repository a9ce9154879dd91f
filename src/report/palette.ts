/** The colours of figures and pages, each for light and for dark surroundings. Light ones are told apart by value, so no two are equal. */
export const PALETTE = {
  ink: { light: '#1f2328', dark: '#e6edf3' },
  quiet: { light: '#59636e', dark: '#9198a1' },
  line: { light: '#d8dee4', dark: '#30363d' },
  paper: { light: '#ffffff', dark: '#0d1117' },
  trial: { light: '#8c959f', dark: '#6e7681' },
  frontier: { light: '#0969da', dark: '#58a6ff' },
  chosen: { light: '#cf222e', dark: '#ff7b72' },
  allowed: { light: '#9a6700', dark: '#d29922' },
} as const satisfies Record<string, { readonly light: string; readonly dark: string }>;
