# examples/: the sample database of script/demo and of the tests
EXTRA_DIST += examples/shop.sql examples/shop_role.sql
