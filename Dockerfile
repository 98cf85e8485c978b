# The service (`retake serve`) with its stand-ins; sources run by type stripping, so there is nothing to build.
FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /retake
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production RETAKE_DATA=/data
WORKDIR /retake
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /retake/node_modules node_modules
COPY package.json LICENSE ./
COPY cli cli
COPY bench bench
COPY fixtures fixtures
COPY sim sim
COPY service service
COPY replay replay
USER node
VOLUME /data
EXPOSE 8080
# node itself is process 1: SIGTERM reaches it, and it is gone within 2 s
CMD ["node", "--max-semi-space-size=8", "cli/main.ts", "serve"]
