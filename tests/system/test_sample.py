"""The sample database: the same everywhere, and consistent in itself."""

import re

import pytest

TABLES = {
    "countries": 10, "customers": 4000, "categories": 12, "suppliers": 24, "products": 480,
    "warehouses": 5, "stock": 2400, "employees": 60, "orders": 14992, "order_items": 33405,
    "payments": 14513, "shipments": 14205, "reviews": 4552, "returns": 1390,
}

# Each must find nothing.
CONTRADICTIONS = {
    "total is the sum of the items":
        "SELECT o.id FROM orders o LEFT JOIN order_items i ON i.order_id = o.id GROUP BY o.id"
        " HAVING o.total IS DISTINCT FROM sum(i.quantity * i.unit_price)",
    "an order is not older than its customer's account":
        "SELECT o.id FROM orders o JOIN customers c ON c.id = customer_id WHERE placed_at < registered_on",
    "nothing is sold before it was launched":
        "SELECT i.id FROM order_items i JOIN orders o ON o.id = order_id JOIN products p ON p.id = product_id"
        " WHERE launched_on > placed_at",
    "payments are of the order's total":
        "SELECT p.id FROM payments p JOIN orders o ON o.id = order_id WHERE amount <> total OR paid_at < placed_at",
    "only cancelled orders are refunded":
        "SELECT p.id FROM payments p JOIN orders o ON o.id = order_id"
        " WHERE (p.status = 'refunded') <> (o.status = 'cancelled')",
    "what left the shop was paid":
        "SELECT id FROM orders o WHERE status IN ('paid', 'shipped', 'delivered')"
        " AND NOT EXISTS (SELECT FROM payments WHERE order_id = o.id)",
    "what is pending was not":
        "SELECT o.id FROM orders o JOIN payments ON order_id = o.id WHERE o.status = 'pending'",
    "shipped and delivered orders have a parcel, others none":
        "SELECT o.id FROM orders o LEFT JOIN shipments s ON s.order_id = o.id"
        " WHERE (s.id IS NOT NULL) <> (o.status IN ('shipped', 'delivered'))"
        " OR (delivered_at IS NOT NULL) <> (o.status = 'delivered' AND s.id IS NOT NULL) OR shipped_at < placed_at",
    "reviews are by buyers, after the delivery":
        "SELECT r.id FROM reviews r WHERE NOT EXISTS (SELECT FROM order_items i JOIN orders o ON o.id = i.order_id"
        " JOIN shipments s ON s.order_id = o.id WHERE i.product_id = r.product_id"
        " AND o.customer_id = r.customer_id AND delivered_at < written_on)",
    "nobody returns more than was bought":
        "SELECT r.id FROM returns r JOIN order_items i ON i.id = order_item_id"
        " WHERE r.quantity > i.quantity OR refund <> r.quantity * unit_price",
    "parcels are packed by the warehouse's own people":
        "SELECT s.id FROM shipments s JOIN employees e ON e.id = employee_id"
        " WHERE e.warehouse_id <> s.warehouse_id OR e.department <> 'warehouse' OR hired_on > shipped_at",
    "every day is in 2023 to 2025":
        "SELECT id FROM orders WHERE placed_at NOT BETWEEN '2023-01-01' AND '2026-01-01'"
        " UNION ALL SELECT id FROM reviews WHERE written_on > '2025-12-31'"
        " UNION ALL SELECT id FROM shipments WHERE coalesce(delivered_at, shipped_at) >= '2026-01-01'",
    "every table has a comment":
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        " AND obj_description(oid, 'pg_class') IS NULL",
}


def digests(cluster, database):
    """Table to (rows, a digest of all of them), whatever order they lie in."""
    return {name: cluster.psql(
        f"SET timezone = 'Asia/Tokyo';"
        f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {name} AS t",
        database) for name in TABLES}


def test_two_loads_are_the_same(cluster):
    from cluster import SOURCE
    # In another time zone and date style, which must not matter.
    sql = "SET timezone = 'America/New_York'; SET datestyle = 'German';\n"
    name = cluster.create_database(sql + (SOURCE / "examples" / "shop.sql").read_text())
    try:
        first, second = digests(cluster, "sample"), digests(cluster, name)
        assert first == second
        assert {table: int(rows[0][0]) for table, rows in first.items()} == TABLES
    finally:
        cluster.drop_database(name)


@pytest.mark.parametrize("sql", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_no_contradiction(cluster, sql):
    assert cluster.psql(sql) == []


def test_size_and_variety(cluster):
    assert len(TABLES) >= 10 and sum(TABLES.values()) >= 50_000
    shares = cluster.psql("SELECT status, count(*) FROM orders GROUP BY 1")
    assert {row[0] for row in shares} == {"pending", "paid", "shipped", "delivered", "cancelled"}
    best, median = cluster.psql(
        "SELECT max(n), percentile_disc(0.5) WITHIN GROUP (ORDER BY n) FROM"
        " (SELECT sum(quantity) AS n FROM order_items GROUP BY product_id) AS s")[0]
    assert int(best) > 5 * int(median)  # some articles sell far better than others
    june, january = cluster.psql(
        "SELECT count(*) FILTER (WHERE extract(month FROM placed_at) = 6),"
        " count(*) FILTER (WHERE extract(month FROM placed_at) = 1) FROM orders")[0]
    assert int(june) > 2 * int(january)


def test_role_may_read_and_nothing_else(cluster):
    assert cluster.psql("SELECT count(*) FROM orders", user=cluster.ROLE) == [["14992"]]
    for sql in ("DELETE FROM reviews", "UPDATE orders SET total = 1", "CREATE TABLE mine (x int)"):
        with pytest.raises(RuntimeError, match="permission denied"):
            cluster.psql(sql, user=cluster.ROLE)
    powers = cluster.psql("SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
                          f" WHERE rolname = '{cluster.ROLE}'")
    assert powers == [["f", "f", "f"]]


def test_no_volatile_source(cluster):
    from cluster import SOURCE
    text = re.sub(r"--.*", "", (SOURCE / "examples" / "shop.sql").read_text())
    assert not re.search(r"\b(random|now|current_date|current_timestamp|clock_timestamp)\b", text)
    assert len(text) < 60_000
