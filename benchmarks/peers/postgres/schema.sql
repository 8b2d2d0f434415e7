-- $products: file of rows as COPY reads them.
CREATE EXTENSION vector;
CREATE TABLE products (
    row integer PRIMARY KEY,
    id text NOT NULL,
    title text NOT NULL,
    brand text NOT NULL,
    categories text NOT NULL,
    description text NOT NULL,
    attributes text NOT NULL,
    price real NOT NULL,
    image text NOT NULL,
    vector vector($dimension) NOT NULL,
    words tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', brand || ' ' || categories), 'B')
        || setweight(to_tsvector('english', description), 'C') || setweight(to_tsvector('english', attributes), 'D')
    ) STORED
);
\copy products (row, id, title, brand, categories, description, attributes, price, image, vector) from '$products'
SET maintenance_work_mem = '1GB';
CREATE INDEX ON products USING gin (words);
CREATE INDEX ON products USING hnsw (vector vector_ip_ops) WITH (m = 16, ef_construction = 100);
VACUUM ANALYZE products;
ALTER DATABASE postgres SET hnsw.ef_search = 100;
ALTER DATABASE postgres SET jit = off;
CHECKPOINT;
