# One image for gateway, ledger and settler; the command says which. `docker compose build` makes it.
ARG NODE_IMAGE=node:24.21.0-alpine

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY shared shared
COPY services services
RUN node node_modules/typescript/bin/tsc --project tsconfig.build.json

FROM ${NODE_IMAGE} AS packages
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Type declarations and source maps of packages are for developers.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete

FROM ${NODE_IMAGE}
WORKDIR /app
COPY package.json LICENSE ./
COPY --from=packages /build/node_modules node_modules
COPY --from=build /build/dist dist
# Root's, so that the service can't change its own code.
USER node
# The gateway answers on 8080; each service tells of its health and its metrics on 9464.
ENV NODE_ENV=production \
  HOST=0.0.0.0 \
  PORT=8080 \
  OPS_HOST=0.0.0.0 \
  GATEWAY_OPS_PORT=9464 \
  LEDGER_OPS_PORT=9464 \
  SETTLER_OPS_PORT=9464
# Ready is the word that `docker compose up --wait` waits for. Docker starts nothing anew for want of it.
# By wget, which Alpine has: a whole node every five seconds takes longer than it may where the machine is busy.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9464/readyz"]
ENTRYPOINT ["node"]
CMD ["dist/services/gateway/main.js"]
