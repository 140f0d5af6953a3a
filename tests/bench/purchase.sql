-- A purchase as PostgreSQL would keep it.  No foreign keys and no index but those that a purchase needs itself: in PostgreSQL's favour.
CREATE TABLE member (
	id bigint PRIMARY KEY,
	balance_points bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE lot (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	member bigint NOT NULL,
	points bigint NOT NULL,
	last_day date NOT NULL
);

CREATE TABLE ledger (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	request_id text NOT NULL UNIQUE,
	member bigint NOT NULL,
	amount bigint NOT NULL,
	points bigint NOT NULL,
	balance_points bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now()
);

-- The balance after it; of a request id that was seen before, the balance that it answered then.
CREATE FUNCTION purchase(the_member bigint, the_amount bigint, the_request_id text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	after_points bigint;
BEGIN
	SELECT balance_points INTO after_points FROM ledger WHERE request_id = the_request_id;
	IF FOUND THEN
		RETURN after_points;
	END IF;
	UPDATE member SET balance_points = balance_points + the_amount WHERE id = the_member RETURNING balance_points INTO after_points;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no member %', the_member;
	END IF;
	INSERT INTO lot (member, points, last_day) VALUES (the_member, the_amount, current_date + 365);
	INSERT INTO ledger (request_id, member, amount, points, balance_points) VALUES (the_request_id, the_member, the_amount, the_amount, after_points);
	RETURN after_points;
END $$;
