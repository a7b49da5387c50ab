# tests/checks: rules on the source that a script can hold
check_SCRIPTS += \
	tests/checks/layers.py \
	tests/checks/names.py \
	tests/checks/sizes.py \
	tests/checks/stores.py \
	tests/checks/test_checks.py
EXTRA_DIST += \
	tests/checks/layers.py \
	tests/checks/names.py \
	tests/checks/sizes.py \
	tests/checks/stores.py \
	tests/checks/test_checks.py \
	tests/checks/verdict.py
