-- Reciprocal rank fusion (Cormack et al. 2009, k = 60) of the best 100 by words and the nearest 100 by meaning.
WITH by_words AS (
    SELECT row, row_number() OVER (ORDER BY score DESC, row) AS rank
    FROM (
        SELECT row, ts_rank_cd(words, query) AS score
        FROM products, websearch_to_tsquery('english', $1) AS query
        WHERE words @@ query
        ORDER BY score DESC, row
        LIMIT 100
    ) AS found
),
by_meaning AS (
    SELECT row, row_number() OVER (ORDER BY distance, row) AS rank
    FROM (SELECT row, vector <#> $2::vector AS distance FROM products ORDER BY distance LIMIT 100) AS near
),
fused AS (
    SELECT row, sum(1.0 / (60 + rank)) AS score
    FROM (SELECT * FROM by_words UNION ALL SELECT * FROM by_meaning) AS ranks
    GROUP BY row
    ORDER BY score DESC, row
    LIMIT $page_size
)
SELECT id, title, brand, price, image, score
FROM fused JOIN products USING (row)
ORDER BY score DESC, row
